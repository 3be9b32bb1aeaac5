import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Disk } from '../link/disk.ts'
import { syncFolder } from '../link/folder.ts'
import { openLogDisk } from '../link/log-disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'

/** Where a relay keeps its spool and its commands, in the state folder. */
export const RELAY_FOLDER = 'relay'
/** … and where versions up to 0.1 did. */
const EARLIER = 'relay.db'
/** Entries that are taken over in one write. */
const AT_ONCE = 1_000

/** Opens the relay's disk. What an earlier version left in SQLite is taken over first, and its file removed. */
export async function openRelayDisk(home: string, fault: (error: unknown) => void): Promise<Disk> {
  const disk = openLogDisk(join(home, RELAY_FOLDER), { fault })
  const file = join(home, EARLIER)
  if (!existsSync(file)) return disk
  const earlier = openSqliteDisk(file)
  for (let from = ''; ; ) {
    const entries = earlier.scan(from, '\u{10ffff}', AT_ONCE)
    disk.write(entries.map(({ key, value }) => ({ put: key, value })))
    const last = entries.at(-1)
    if (!last || entries.length < AT_ONCE) break
    from = `${last.key}\0`
  }
  await disk.sync()
  earlier.close()
  // The file itself last: what a death leaves of it is taken over once more, and nothing was written meanwhile.
  for (const name of [`${file}-wal`, `${file}-shm`, file]) rmSync(name, { force: true })
  syncFolder(home)
  return disk
}
