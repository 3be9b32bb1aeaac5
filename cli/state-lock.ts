import { join } from 'node:path'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { lockFile } from '../link/file-lock.ts'
import { makeFolder } from '../link/folder.ts'

/**
 * Holds `run/<name>.lock` in the state folder until released or until this process dies, however it dies.
 * Raises `conflict` with `message` when another process holds it, `unavailable` when the folder cannot be written.
 */
export function lockState(home: string, name: string, message: string): { release(): void } {
  makeFolder(join(home, 'run'))
  const path = join(home, 'run', `${name}.lock`)
  try {
    const lock = lockFile(path, message)
    return { release: () => lock.close() }
  } catch (cause) {
    if (isProblem(cause)) throw cause
    const advice = `check that the folder is yours and not read-only (${messageOf(cause)})`
    throw new Problem('unavailable', `${path} cannot be opened for writing: ${advice}`, { cause })
  }
}
