import { Problem } from '../contract/problem.ts'

/** What to do about the operating system's refusals, by the code that Node gives them. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'this user may not: check who owns it, and its permissions',
  EPERM: 'this user may not: check who owns it, its permissions and attributes',
  EROFS: 'the file system is read-only: mount it writable, or set HEARTH_HOME to another folder',
  ENOSPC: 'the disk is full: make room and start again; what was acknowledged is kept',
  EDQUOT: "this user's quota of the disk is used up: make room and start again; what was acknowledged is kept",
  EEXIST: 'something else stands where a folder is needed: move it away',
  ENOTDIR: 'something else stands where a folder is needed: move it away',
  EISDIR: 'a folder stands where a file is needed: move it away',
  ENOENT: 'it, or its folder, is not there',
  EMFILE: 'too many files are open: raise the limit of open files (ulimit -n)',
  EIO: 'the disk failed to read or write: look at the system log before going on',
}

/**
 * A refusal of the operating system that nothing on its way gave a meaning to, in a line: what it was and what to do.
 * Undefined for anything else, which is then a bug.
 */
export function worldFault(error: unknown): string | undefined {
  const advice = reasonOf(error)
  return !(error instanceof Error) || advice === undefined
    ? undefined
    : `${error.message.replaceAll('\n', ' ')}: ${advice}`
}

/**
 * Does something with the file that an option names. Raises `missing` (read) or `unavailable` (written), naming both, for
 * what the operating system refuses.
 */
export async function withFile<T>(
  option: string,
  path: string,
  how: 'read' | 'written',
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const reason = reasonOf(error) ?? (error instanceof Error ? reasonOf(error.cause) : undefined)
    if (reason === undefined) throw error
    const kind = how === 'read' ? 'missing' : 'unavailable'
    throw new Problem(kind, `${option}: ${path} cannot be ${how}: ${reason}`, { cause: error })
  }
}

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return ADVICE[String(error.code)]
}
