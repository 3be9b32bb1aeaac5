import { Problem } from '../contract/problem.ts'

const PATH = /^[A-Za-z0-9._=-]+(\/[A-Za-z0-9._=-]+)*$/

/** Names that a folder store gives to what is not whole yet; no object may be called so. */
export const TEMPORARY_PREFIX = '.tmp-'

/** Raises `invalid` for anything that is not a relative, `/`-separated path of [A-Za-z0-9._=-] parts. */
export function checkPath(path: string): string {
  const parts = path.split('/')
  if (
    !PATH.test(path) ||
    parts.some((part) => part === '.' || part === '..' || part.startsWith(TEMPORARY_PREFIX)) ||
    path.length > 1024
  ) {
    throw new Problem(
      'invalid',
      `an object's path is relative, of [A-Za-z0-9._=-] parts without . and .., at most 1024 long; found ${JSON.stringify(path)}`,
    )
  }
  return path
}

/** The prefix of a listing: a path, or nothing for everything. Raises `invalid`. */
export function checkPrefix(prefix: string): string {
  const trimmed = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  return trimmed === '' ? '' : checkPath(trimmed)
}
