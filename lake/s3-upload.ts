import { open } from 'node:fs/promises'
import { Problem } from '../contract/problem.ts'
import { inParallel } from './in-parallel.ts'
import { S3_PART_BYTES, S3_PARTS_AT_ONCE, S3_PARTS_MAX } from './limits.ts'
import type { S3Requests } from './s3-requests.ts'

/** A body that can be read piece by piece, and again. */
type Source = {
  readonly size_bytes: number
  read(start: number, end: number): Promise<Uint8Array>
}

/** Puts bytes or a local file: in one request where it is small, else in parts, several at once. */
export async function upload(
  requests: S3Requests,
  key: string,
  body: Uint8Array | { readonly file: string },
  ifAbsent: boolean,
): Promise<void> {
  if (body instanceof Uint8Array) {
    await send(
      requests,
      key,
      { size_bytes: body.length, read: async (start, end) => body.subarray(start, end) },
      ifAbsent,
    )
    return
  }
  await using file = await open(body.file, 'r')
  const { size } = await file.stat()
  const read = async (start: number, end: number) => {
    const bytes = Buffer.allocUnsafe(end - start)
    for (let filled = 0; filled < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled)
      if (bytesRead === 0) throw new Problem('unavailable', `${body.file} became shorter while it was uploaded`)
      filled += bytesRead
    }
    return bytes
  }
  await send(requests, key, { size_bytes: size, read }, ifAbsent)
}

async function send(requests: S3Requests, key: string, source: Source, ifAbsent: boolean): Promise<void> {
  const { size_bytes } = source
  if (size_bytes <= S3_PART_BYTES) {
    await requests.put(key, await source.read(0, size_bytes), ifAbsent)
    return
  }
  const count = Math.ceil(size_bytes / S3_PART_BYTES)
  if (count > S3_PARTS_MAX) {
    throw new Problem(
      'limit',
      `an object has at most ${S3_PARTS_MAX} parts of ${S3_PART_BYTES} bytes; ${key} has ${size_bytes} bytes`,
    )
  }
  const begun = await requests.beginUpload(key)
  try {
    const parts = await inParallel(count, S3_PARTS_AT_ONCE, async (index) => {
      const start = index * S3_PART_BYTES
      const bytes = await source.read(start, Math.min(size_bytes, start + S3_PART_BYTES))
      return await requests.putPart(begun, index + 1, bytes)
    })
    await requests.completeUpload(begun, parts, ifAbsent)
  } catch (error) {
    await requests.abortUpload(begun)
    throw error
  }
}
