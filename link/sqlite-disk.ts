/**
 * A disk in one SQLite file. In WAL mode with synchronous=NORMAL a commit is a write(2) to the log beside the file and
 * no more: it survives the process. `sync` runs fdatasync on that log in Node's thread pool, so that the event loop
 * never waits for it: docs/decisions/030-sync-beside-the-event-loop.md has the argument and the figures.
 */
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, Problem } from '../contract/problem.ts'
import type { Disk, DiskChange } from './disk.ts'
import { makeFolder, syncFolder } from './folder.ts'
import { sharedRun } from './shared-run.ts'

const FORMAT_VERSION = 1
/** `PRAGMA application_id`: "Hrth". */
const APPLICATION_ID = 0x48727468

/** Result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/**
 * Opens, and if it is not there creates, the disk at `file`. The file belongs to this process until `close`.
 * Raises `conflict` when another process has it, `corrupt` when it is something else or of a newer format,
 * `unavailable` when the folder cannot be written. `max_bytes` bounds the file; past it `write` raises `limit`, as it
 * does on a full disk, and nothing of that write happened.
 */
export function openSqliteDisk(file: string, options: { readonly max_bytes?: number } = {}): Disk {
  const database = openDatabase(file, options.max_bytes)
  // Another descriptor of the log is safe: SQLite's locks are on the database file (closing would drop those).
  const wal = openWal(file, database)
  const get = database.prepare('SELECT value FROM entry WHERE key = ?')
  const scan = database.prepare('SELECT key, value FROM entry WHERE key >= ? AND key < ? ORDER BY key LIMIT ?')
  const put = database.prepare('INSERT INTO entry VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
  const remove = database.prepare('DELETE FROM entry WHERE key = ?')

  let closed = false

  function write(changes: readonly DiskChange[]) {
    try {
      database.exec('BEGIN IMMEDIATE')
      for (const change of changes) {
        if ('put' in change) put.run(change.put, change.value)
        else remove.run(change.delete)
      }
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw asProblem(error, file)
    }
  }

  const closedProblem = () => new Problem('closed', `the disk ${file} is closed`)

  function flush(): Promise<void> {
    if (closed) return Promise.reject(closedProblem())
    return new Promise((resolve, reject) => {
      fs.fdatasync(wal, (error) => {
        if (error) reject(new Problem('unavailable', `cannot sync ${file}: ${error.message}`, { outcome: 'unknown' }))
        else resolve()
      })
    })
  }

  const flushes = sharedRun(flush)

  function sync(): Promise<void> {
    return closed ? Promise.reject(closedProblem()) : flushes.run()
  }

  return {
    get: (key) => bytesOf(get.get(key)?.['value']),
    scan: (from, to, limit) =>
      scan.all(from, to, limit ?? -1).map((row) => ({
        key: String(row['key']),
        value: bytesOf(row['value']) ?? new Uint8Array(),
      })),
    write,
    sync,
    close() {
      if (closed) return
      closed = true
      database.close()
      const closeWal = () => fs.closeSync(wal)
      // A descriptor that fdatasync is using must not be closed under it: its number could be another file's by then.
      if (flushes.running) flushes.running.then(closeWal, closeWal)
      else closeWal()
    },
  }
}

function openDatabase(file: string, max_bytes?: number): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    makeFolder(path.dirname(file))
    database = new DatabaseSync(file, { timeout: 0 })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
    const application = Number(database.prepare('PRAGMA application_id').get()?.['application_id'])
    if (version > FORMAT_VERSION && application === APPLICATION_ID) {
      throw new Problem(
        'corrupt',
        `${file} is of format ${version}; this Hearth knows up to ${FORMAT_VERSION}. Run the version that wrote it, or a newer one`,
      )
    }
    if (application !== APPLICATION_ID && (version !== 0 || hasTables(database))) {
      throw new Problem('corrupt', `${file} is an SQLite database, but not one of Hearth's disks; name another file`)
    }
    if (max_bytes !== undefined) {
      const page_bytes = Number(database.prepare('PRAGMA page_size').get()?.['page_size'])
      database.exec(`PRAGMA max_page_count = ${Math.floor(max_bytes / page_bytes)}`)
    }
    if (version === 0) {
      database.exec(`BEGIN;
        CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
        PRAGMA application_id = ${APPLICATION_ID};
        PRAGMA user_version = ${FORMAT_VERSION};
        COMMIT`)
    }
    return database
  } catch (error) {
    database?.close()
    throw asProblem(error, file)
  }
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined
}

/** The log's descriptor, its name made durable: the file itself and its folder are synced once. */
function openWal(file: string, database: DatabaseSync): number {
  try {
    // The log appears with the first commit; setting the version again is one that changes nothing.
    database.exec(`PRAGMA user_version = ${FORMAT_VERSION}`)
    const wal = fs.openSync(`${file}-wal`, 'r+')
    fs.fdatasyncSync(wal)
    syncFolder(path.dirname(file))
    return wal
  } catch (error) {
    database.close()
    throw asProblem(error, file)
  }
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined
}

function asProblem(error: unknown, file: string): Problem {
  if (error instanceof Problem) return error
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  if (code === SQLITE_FULL) {
    return new Problem('limit', `no room to write ${file}: free disk space; nothing of this write was kept`, {
      cause: error,
    })
  }
  if (code === SQLITE_BUSY) {
    return new Problem('conflict', `another process has ${file} open: end it first`, { cause: error })
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    return new Problem('corrupt', `${file} is damaged or not an SQLite database; restore it, or move it away`, {
      cause: error,
    })
  }
  return new Problem('unavailable', `cannot use ${file}: ${messageOf(error)}`, { outcome: 'unknown', cause: error })
}
