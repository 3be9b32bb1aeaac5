import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, Problem } from '../contract/problem.ts'
import { makeFolder } from '../link/folder.ts'

/**
 * Holds `run/<name>.lock` in the state folder until released or until this process dies, however it dies: the lock is
 * the kernel's (fcntl, through an exclusive SQLite transaction, since Node has no file locks of its own), so a
 * process id that was given out again, or one that nobody waited for, cannot be mistaken for a holder.
 * Raises `conflict` with `message` when another process holds it, `unavailable` when the folder cannot be written.
 */
export function lockState(home: string, name: string, message: string): { release(): void } {
  makeFolder(join(home, 'run'))
  const path = join(home, 'run', `${name}.lock`)
  const unusable = (cause: unknown) =>
    new Problem(
      'unavailable',
      `${path} cannot be opened for writing: check that the folder is yours and not read-only (${messageOf(cause)})`,
      { cause },
    )
  let database: DatabaseSync
  try {
    database = new DatabaseSync(path)
  } catch (error) {
    throw unusable(error)
  }
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new Problem('conflict', message, { cause: error })
    }
    throw unusable(error)
  }
  return { release: () => database.close() }
}

/** sqlite.org/rescode.html */
const SQLITE_BUSY = 5
