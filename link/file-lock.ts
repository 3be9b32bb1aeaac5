import { DatabaseSync } from 'node:sqlite'
import { Problem } from '../contract/problem.ts'

/** sqlite.org/rescode.html */
const SQLITE_BUSY = 5

/**
 * Holds the file until it is closed or this process dies, however it dies: the lock is the kernel's (fcntl, through an
 * exclusive SQLite transaction, since Node has no file locks of its own), so a process id that was given out again, or
 * one that nobody waited for, cannot be mistaken for a holder. Raises `conflict` with `message` when another process
 * holds it, and SQLite's own error when the file cannot be written.
 */
export function lockFile(path: string, message: string): { close(): void } {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
      throw new Problem('conflict', message, { cause: error })
    throw error
  }
}
