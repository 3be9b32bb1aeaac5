import { Problem } from '../contract/problem.ts'

/** What folders, S3 and other engines' names of partitions have in common; Hearth's own are of [A-Za-z0-9._=-]. */
const PATH = /^[^/\\\p{Cc}]+(\/[^/\\\p{Cc}]+)*$/u
const PATH_MAX_BYTES = 1024

/** Names that a folder store gives to what is not whole yet; no object may be called so. */
export const TEMPORARY_PREFIX = '.tmp-'

/** Raises `invalid` for anything that is not a relative, `/`-separated path of parts without control characters and backslashes. */
export function checkPath(path: string): string {
  const parts = path.split('/')
  if (
    !PATH.test(path) ||
    parts.some((part) => part === '.' || part === '..' || part.startsWith(TEMPORARY_PREFIX)) ||
    Buffer.byteLength(path) > PATH_MAX_BYTES
  ) {
    throw new Problem(
      'invalid',
      `an object's path is relative, of parts without . and .., control characters and backslashes, at most ${PATH_MAX_BYTES} bytes long; found ${JSON.stringify(path)}`,
    )
  }
  return path
}

/** The prefix of a listing: a path, or nothing for everything. Raises `invalid`. */
export function checkPrefix(prefix: string): string {
  const trimmed = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  return trimmed === '' ? '' : checkPath(trimmed)
}
