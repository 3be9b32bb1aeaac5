import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import {
  constants,
  createGunzip,
  createZstdDecompress,
  gunzip,
  gunzipSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { z } from 'zod'
import { type BatchHeader, batchHeader, type Codec, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { BATCH_EVENTS_MAX, BATCH_PLAIN_MAX_BYTES, HEADER_MAX_BYTES } from '../contract/limits.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import {
  EVENT_LINES_PACK_TIMES,
  INFLATE_AT_ONCE_MAX_BYTES,
  INFLATE_AT_ONCE_PLAIN_MAX_BYTES,
  INFLATE_CHUNK_MAX_BYTES,
  INFLATE_CHUNK_MIN_BYTES,
} from './limits.ts'

/** A batch's bytes, read: its header, and its event lines as they came, each with its newline. */
export type Payload = { readonly header: BatchHeader; readonly lines: Buffer }

const NEWLINE = 0x0a
const gunzipAsync = promisify(gunzip)
const zstdAsync = promisify(zstdDecompress)

/**
 * Unpacks off the event loop and stops at the limit, so a bomb costs no more than the limit. What is small is unpacked
 * at once: the way to another thread and back costs the event loop more than that (docs/decisions/024).
 * Raises `invalid` with a reason for the firmware's developer.
 */
export async function inflate(bytes: Uint8Array, codec: Codec): Promise<Buffer> {
  const maxOutputLength = BATCH_PLAIN_MAX_BYTES
  try {
    if (codec !== 'plain') return inflateSmall(bytes, codec) ?? (await inflateLarge(bytes, codec, maxOutputLength))
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLong()
    throw new Problem('invalid', `the batch begins like ${codec} but cannot be unpacked: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (bytes.length > maxOutputLength) throw tooLong()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Undefined for what is not small, packed or unpacked. */
function inflateSmall(bytes: Uint8Array, codec: 'gzip' | 'zstd'): Buffer | undefined {
  if (bytes.length > INFLATE_AT_ONCE_MAX_BYTES) return undefined
  const options = { maxOutputLength: INFLATE_AT_ONCE_PLAIN_MAX_BYTES, chunkSize: chunkFor(bytes) }
  try {
    return codec === 'gzip' ? gunzipSync(bytes, options) : zstdDecompressSync(bytes, options)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function inflateLarge(bytes: Uint8Array, codec: 'gzip' | 'zstd', maxOutputLength: number): Promise<Buffer> {
  const options = { maxOutputLength, chunkSize: chunkFor(bytes) }
  return codec === 'gzip' ? gunzipAsync(bytes, options) : zstdAsync(bytes, options)
}

/**
 * What is unpacked in one turn. Node takes 16 KiB unless told otherwise: too much for a small batch, a buffer of garbage
 * each time; for a large one many ways to another thread and back, and a copy that joins them.
 */
function chunkFor({ length }: Uint8Array): number {
  return Math.min(INFLATE_CHUNK_MAX_BYTES, Math.max(INFLATE_CHUNK_MIN_BYTES, length * EVENT_LINES_PACK_TIMES))
}

function tooLong(): Problem {
  return new Problem(
    'invalid',
    `the batch is longer than ${BATCH_PLAIN_MAX_BYTES} bytes unpacked: send fewer events in a batch`,
  )
}

/**
 * Checks a batch as far as can be done without reading its events: UTF-8, header, number of lines, checksum.
 * Raises `invalid` with a reason for the firmware's developer.
 */
export function readPayload(plain: Buffer): Payload {
  const header = readHeader(plain)
  if (!isUtf8(plain)) throw new Problem('invalid', 'the batch is not UTF-8')
  const lines = plain.subarray(plain.indexOf(NEWLINE) + 1)
  const found = countLines(lines)
  if (found !== header.count) {
    throw new Problem('invalid', `the header's count is ${header.count}, but ${found} event lines follow it`)
  }
  const crc = eventsCrc(lines)
  if (crc !== header.crc) {
    throw new Problem(
      'invalid',
      `the header's crc is ${header.crc}, but the CRC-32C of the event lines (each with its newline) is ${crc}`,
    )
  }
  return { header, lines }
}

/** Four bytes at a time: those in `word` that are a newline are 0 in `word ^ NEWLINES`. */
function countLines(lines: Buffer): number {
  if (lines.length > 0 && lines[lines.length - 1] !== NEWLINE) {
    throw new Problem('invalid', 'the last event line must end with a newline')
  }
  let count = 0
  let at = 0
  for (; at < lines.length && (lines.byteOffset + at) % 4 !== 0; at++) if (lines[at] === NEWLINE) count++
  const whole = (lines.length - at) >> 2
  const words = whole > 0 ? new Int32Array(lines.buffer, lines.byteOffset + at, whole) : new Int32Array(0)
  for (let i = 0; i < words.length; i++) {
    const word = (words[i] as number) ^ NEWLINES
    // The high bit of each byte that is 0: https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
    if (((word - 0x01010101) & ~word & 0x80808080) === 0) continue
    for (let shift = 0; shift < 32; shift += 8) if (((word >>> shift) & 0xff) === 0) count++
  }
  for (at += words.length * 4; at < lines.length; at++) if (lines[at] === NEWLINE) count++
  return count
}
const NEWLINES = 0x0a0a0a0a

function headerLine(plain: Buffer): string {
  const end = plain.subarray(0, HEADER_MAX_BYTES + 1).indexOf(NEWLINE)
  if (end === -1) {
    throw new Problem(
      'invalid',
      `a batch begins with a header line of at most ${HEADER_MAX_BYTES} bytes that ends with a newline; found none`,
    )
  }
  return plain.subarray(0, end).toString('utf8')
}

/** What can be said of a header that fits no version of the protocol. */
const glance = z.object({ hearth: z.unknown(), count: z.unknown() })

function readHeader(plain: Buffer): BatchHeader {
  const text = headerLine(plain)
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (cause) {
    throw new Problem('invalid', `the header line is not JSON: ${messageOf(cause)}`, { cause })
  }
  const claims = glance.safeParse(found).data
  if (typeof claims?.hearth === 'number' && claims.hearth !== PROTOCOL_VERSION) {
    throw new Problem(
      'invalid',
      `the batch is of protocol version ${claims.hearth}; supported is version ${PROTOCOL_VERSION}`,
    )
  }
  if (typeof claims?.count === 'number' && claims.count > BATCH_EVENTS_MAX) {
    throw new Problem('invalid', `a batch holds at most ${BATCH_EVENTS_MAX} events; its header says ${claims.count}`)
  }
  const parsed = batchHeader.safeParse(found)
  if (!parsed.success) throw new Problem('invalid', `the header does not fit: ${issuesOf(parsed.error)}`)
  const header = parsed.data
  if (header.first + header.count > header.next) {
    throw new Problem(
      'invalid',
      `the header's next (${header.next}) must be at least first + count (${header.first + header.count})`,
    )
  }
  if (header.acked > header.next) {
    throw new Problem('invalid', `the header's acked (${header.acked}) is past its next (${header.next})`)
  }
  return header
}

function issuesOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 4)
    .map((issue) => `${issue.path.join('.') || 'the line'}: ${issue.message}`)
    .join('; ')
}

/** What a batch that was refused still says of itself, where that can be read. */
export type Claim = Pick<BatchHeader, 'boot' | 'stream' | 'first' | 'next'> & { readonly count: number }

const claim = batchHeader
  .pick({ boot: true, stream: true, first: true })
  .extend({
    count: z
      .number()
      .int()
      .min(0)
      .max(100 * BATCH_EVENTS_MAX),
  })
  .refine(({ first, count }) => Number.isSafeInteger(first + count), 'first + count is past what counts exactly')

/** The claim in the first bytes of a refused batch, whatever else is wrong with it; undefined where there is none. */
export async function readClaim(bytes: Uint8Array, codec: Codec): Promise<Claim | undefined> {
  try {
    const found = claim.parse(JSON.parse(headerLine(await inflateHead(bytes, codec))))
    return { ...found, next: found.first + found.count }
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || isProblem(error, 'invalid')) return undefined
    throw error
  }
}

/** The first bytes of what a payload unpacks to, though the rest may be cut off, broken or too long. */
export async function inflateHead(bytes: Uint8Array, codec: Codec): Promise<Buffer> {
  if (codec === 'plain') return Buffer.from(bytes.subarray(0, HEADER_MAX_BYTES + 1))
  const stream =
    codec === 'gzip'
      ? createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
      : createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })
  const parts: Buffer[] = []
  let length = 0
  stream.end(bytes)
  try {
    for await (const part of stream) {
      if (!Buffer.isBuffer(part)) break
      parts.push(part)
      length += part.length
      if (length > HEADER_MAX_BYTES) break
    }
  } catch (error) {
    if (length === 0) throw new Problem('invalid', 'nothing can be unpacked', { cause: error })
  }
  return Buffer.concat(parts).subarray(0, HEADER_MAX_BYTES + 1)
}
