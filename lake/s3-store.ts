import type { Clock, Random } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { inParallel } from './in-parallel.ts'
import { RANGE_BYTES, RANGES_AT_ONCE } from './limits.ts'
import type { ByteRange, ObjectStore } from './object-store.ts'
import { checkPath, checkPrefix } from './path.ts'
import type { S3Requests } from './s3-requests.ts'
import { upload } from './s3-upload.ts'

export type S3Options = {
  readonly bucket: string
  /** Where in the bucket the store begins, without slashes at its ends; nothing for the whole bucket. */
  readonly prefix: string
  readonly region: string
  /** Of a server other than AWS. */
  readonly endpoint?: string | undefined
  readonly path_style: boolean
  /** Encryption that is asked for; without it the bucket's own default. */
  readonly sse?: 'AES256' | 'aws:kms' | undefined
  readonly kms_key?: string | undefined
  readonly clock: Clock
  readonly random: Random
}

/**
 * Objects of an S3 bucket, below a prefix. Credentials come by the AWS SDK's own chain. What the server must do is in
 * docs/s3.md; how lost answers are told is in s3-attempts.ts. Raises `unauthorized` when the bucket refuses, and
 * `unavailable` when it is gone or does not answer.
 */
export function openS3Store(options: S3Options): ObjectStore {
  const base = options.prefix === '' ? '' : `${options.prefix}/`
  const url = `s3://${options.bucket}/${options.prefix}`
  let opened: Promise<S3Requests> | undefined
  const requests = () => {
    opened ??= import('./s3-requests.ts').then(({ openRequests }) => openRequests(options))
    return opened
  }
  const keyOf = (path: string) => `${base}${checkPath(path)}`

  async function read(path: string, range: ByteRange): Promise<Uint8Array> {
    const key = keyOf(path)
    const s3 = await requests()
    const first = await s3.getRange(key, { start: range.start, end: Math.min(range.end, range.start + RANGE_BYTES) })
    const end = Math.min(range.end, first.total_bytes)
    const rest = Math.ceil((end - range.start - first.bytes.length) / RANGE_BYTES)
    if (rest <= 0) return first.bytes
    const bytes = new Uint8Array(end - range.start)
    bytes.set(first.bytes)
    await inParallel(rest, RANGES_AT_ONCE, async (index) => {
      const start = range.start + (index + 1) * RANGE_BYTES
      const part = await s3.getRange(key, { start, end: Math.min(end, start + RANGE_BYTES) }, first.etag)
      bytes.set(part.bytes, start - range.start)
    })
    return bytes
  }

  return {
    url,

    async get(path, { start, end } = { start: 0, end: Number.MAX_SAFE_INTEGER }) {
      const range = { start: Math.max(0, start), end }
      if (range.end > range.start) return await read(path, range)
      if (!(await (await requests()).head(keyOf(path))))
        throw new Problem('missing', `there is no object ${path} in ${url}`)
      return new Uint8Array()
    },

    async head(path) {
      const found = await (await requests()).head(keyOf(path))
      return found && { path, size_bytes: found.size_bytes, modified_ms: found.modified_ms }
    },

    async put(path, body, putOptions) {
      await upload(await requests(), keyOf(path), body, putOptions?.ifAbsent === true)
    },

    async *list(prefix, listOptions) {
      const trimmed = checkPrefix(prefix)
      const below = trimmed === '' ? base : `${base}${trimmed}/`
      const startAfter = listOptions?.startAfter ?? ''
      const s3 = await requests()
      let last = startAfter
      let page = await s3.list(below, { startAfter: startAfter === '' ? '' : `${base}${sendable(startAfter)}` })
      for (;;) {
        for (const { key, size_bytes, modified_ms } of page.found) {
          const path = key.slice(base.length)
          // Others mark folders so (Hadoop's S3A, consoles): it is no object of a store, and no path.
          if (path <= startAfter || path.endsWith('/')) continue
          // All that reads a log rests on it; buckets for "directory" storage classes list otherwise.
          if (path <= last)
            throw new Problem('invalid', `${url} does not list in the order of keys: use another bucket (docs/s3.md)`)
          last = path
          yield { path, size_bytes, modified_ms }
        }
        if (page.token === undefined) return
        page = await s3.list(below, { token: page.token })
      }
    },

    async delete(path) {
      await (await requests()).delete(keyOf(path))
    },
  }
}

/**
 * A place to begin after that is no later, of characters that any server takes: `t/\uffff`, after everything below `t/`,
 * is `t/~`, since no path has a character past `z`.
 */
function sendable(startAfter: string): string {
  const strange = startAfter.search(/[^A-Za-z0-9._=/-]/)
  if (strange < 0) return startAfter
  return startAfter.slice(0, strange) + (startAfter.charCodeAt(strange) > 'z'.charCodeAt(0) ? '~' : '')
}
