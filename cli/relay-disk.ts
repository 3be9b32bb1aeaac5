import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import { FIRST_RELAY } from '../contract/relay-name.ts'
import type { Disk } from '../link/disk.ts'
import { syncFolder } from '../link/folder.ts'
import { openLogDisk } from '../link/log-disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'

/** What is a relay's own in the state folder, which several may share: its spool and commands, its lock, and what it says of itself. */
export function relayPlace(source: string): string {
  return source === FIRST_RELAY ? 'relay' : source
}

/** … and where versions up to 0.1 had it. */
const EARLIER = 'relay.db'
/** Entries that are taken over in one write. */
const AT_ONCE = 1_000
/** The outbox's counter of boots, which each start raises (link/outbox-store.ts). */
const COUNTER = 'outbox/meta'

/**
 * Opens the relay's disk. What an earlier version left in SQLite is taken over first, whole or not at all, and its file
 * removed. Raises `conflict` when an earlier version has run since: which of the two counts nobody can tell from here.
 */
export async function openRelayDisk(
  home: string,
  fault: (error: unknown) => void,
  source = FIRST_RELAY,
): Promise<Disk> {
  const [folder, file] = [join(home, relayPlace(source)), join(home, EARLIER)]
  if (source === FIRST_RELAY && existsSync(file)) {
    if (!existsSync(folder)) await takeOver(file, folder)
    else if (!isTakenOver(file, folder))
      throw new Problem(
        'conflict',
        `both ${file} and ${folder} are there: an earlier version ran after this one. Move one of them away: what only it holds, commands and events on their way, is left out`,
      )
    // The file itself last: with it the takeover is looked at once more.
    for (const name of [`${file}-wal`, `${file}-shm`, file]) rmSync(name, { force: true })
    syncFolder(home)
  }
  return openLogDisk(folder, { fault })
}

async function takeOver(file: string, folder: string): Promise<void> {
  const draft = `${folder}.new`
  rmSync(draft, { recursive: true, force: true })
  const earlier = openSqliteDisk(file)
  const disk = openLogDisk(draft)
  try {
    for (let from = ''; ; ) {
      const entries = earlier.scan(from, '\u{10ffff}', AT_ONCE)
      disk.write(entries.map(({ key, value }) => ({ put: key, value })))
      const last = entries.at(-1)
      if (!last || entries.length < AT_ONCE) break
      from = `${last.key}\0`
    }
    await disk.sync()
  } finally {
    disk.close()
    earlier.close()
  }
  renameSync(draft, folder)
  syncFolder(join(folder, '..'))
}

/** A start after the takeover would have removed the file, and raised the counter. */
function isTakenOver(file: string, folder: string): boolean {
  const earlier = openSqliteDisk(file)
  const disk = openLogDisk(folder)
  try {
    return Buffer.from(earlier.get(COUNTER) ?? []).equals(Buffer.from(disk.get(COUNTER) ?? []))
  } finally {
    disk.close()
    earlier.close()
  }
}
