import { constants, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { type BatchHeader, type Codec, codecOf } from '../contract/batch.ts'
import type { Event } from '../contract/event.ts'
import { BATCH_PLAIN_MAX_BYTES } from '../contract/limits.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { OUTBOX_LINE_MAX_BYTES } from './limits.ts'

/** Level 3: a third of level 19's effort for nearly its size on event lines; what the writer's side costs is the same. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }

/** `plain` as `codec` packs it: one zstd frame, since many decoders, Node's too, stop after the first. */
export function pack(plain: Uint8Array, codec: 'zstd' | 'plain'): Buffer {
  return codec === 'zstd' ? zstdCompressSync(plain, ZSTD_OPTIONS) : Buffer.from(plain)
}

/** What `pack` packed, its codec told by the first bytes. Raises `limit` past 8 MiB, `invalid` for a torn payload. */
export function unpack(bytes: Uint8Array, max_bytes = BATCH_PLAIN_MAX_BYTES): Buffer {
  const codec: Codec = codecOf(bytes)
  const options = { maxOutputLength: max_bytes }
  try {
    if (codec === 'zstd') return zstdDecompressSync(bytes, options)
    if (codec === 'gzip') return gunzipSync(bytes, options)
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    if (tooLarge) throw new Problem('limit', `a batch is at most ${max_bytes} bytes plain; send smaller batches`)
    throw new Problem('invalid', `the batch is not whole ${codec}: ${messageOf(error)}`, { cause: error })
  }
  if (bytes.length > max_bytes) {
    throw new Problem(
      'limit',
      `a batch is at most ${max_bytes} bytes plain, found ${bytes.length}; send smaller batches`,
    )
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A transmission: the header's line, then the event lines, each with its newline. */
export function batchBytes(header: BatchHeader, lines: Uint8Array, codec: 'zstd' | 'plain'): Buffer {
  return pack(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), lines]), codec)
}

/** An event's line in a batch, with its newline. Raises `invalid` for one that is too long. */
export function lineOf(event: Event): string {
  const line = `${JSON.stringify(event)}\n`
  if (Buffer.byteLength(line) > OUTBOX_LINE_MAX_BYTES) {
    throw new Problem(
      'invalid',
      `an event is at most ${OUTBOX_LINE_MAX_BYTES} bytes as JSON, found ${Buffer.byteLength(line)} of kind ${event.kind}`,
    )
  }
  return line
}
