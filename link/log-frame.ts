/**
 * The form of log-disk.ts. A segment is a header, then frames; a frame is one write. Integers are little-endian.
 *   header   "hearthlg", u32 version, u32 0
 *   frame    u32 bytes of the body, u32 CRC-32 of the body, body: changes one after the other
 *   change   u8 kind, u16 bytes of the key, u32 bytes of the value, key (UTF-8), value
 */
import { crc32 } from 'node:zlib'
import { Problem } from '../contract/problem.ts'

const MAGIC = Buffer.from('hearthlg')
const VERSION = 1
export const HEADER_BYTES = 16
const FRAME_HEAD_BYTES = 8
const CHANGE_HEAD_BYTES = 7
const KEY_MAX_BYTES = 65_535
/** The value of a mark. */
const MARK_BYTES = 8
const KIND = { put: 1, delete: 2, mark: 3 } as const

/** A change as it lies in a segment: `at` is where its value begins. */
export type FramedChange = {
  readonly kind: 'put' | 'delete' | 'mark'
  readonly key: string
  readonly at: number
  readonly bytes: number
}

export function segmentHeader(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeUInt32LE(VERSION, MAGIC.length)
  return header
}

/** Raises `corrupt` for what is no segment, or one of a newer version. */
export function checkHeader(segment: Buffer, file: string): void {
  if (!segment.subarray(0, MAGIC.length).equals(MAGIC))
    throw new Problem('corrupt', `${file} is not a part of one of Hearth's disks; restore it, or move it away`)
  const version = segment.readUInt32LE(MAGIC.length)
  if (version > VERSION)
    throw new Problem(
      'corrupt',
      `${file} is of format ${version}; this Hearth knows up to ${VERSION}. Run the version that wrote it, or a newer one`,
    )
}

/** What a put takes in a frame. */
export function weightOf(key: string, value_bytes: number): number {
  return CHANGE_HEAD_BYTES + Buffer.byteLength(key) + value_bytes
}

/** Gathers the changes of one write in a buffer that is used again: what `finish` gives is good until the next `begin`. */
export function frameWriter() {
  let buffer = Buffer.allocUnsafe(64 * 1024)
  let end = FRAME_HEAD_BYTES

  const room = (bytes: number) => {
    if (end + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafe(2 * (end + bytes))
    buffer.copy(larger, 0, 0, end)
    buffer = larger
  }

  /** Where in the frame the value begins. */
  const change = (kind: number, key: string, value: Uint8Array): number => {
    // A UTF-16 unit is at most three bytes.
    room(CHANGE_HEAD_BYTES + 3 * key.length + value.length)
    const key_bytes = buffer.write(key, end + CHANGE_HEAD_BYTES)
    if (key_bytes > KEY_MAX_BYTES)
      throw new Problem('invalid', `a key has at most ${KEY_MAX_BYTES} bytes, found ${key_bytes}`)
    buffer.writeUInt8(kind, end)
    buffer.writeUInt16LE(key_bytes, end + 1)
    buffer.writeUInt32LE(value.length, end + 3)
    const at = end + CHANGE_HEAD_BYTES + key_bytes
    buffer.set(value, at)
    end = at + value.length
    return at
  }

  const nothing = new Uint8Array()
  return {
    begin() {
      end = FRAME_HEAD_BYTES
    },
    put: (key: string, value: Uint8Array) => change(KIND.put, key, value),
    delete: (key: string) => change(KIND.delete, key, nothing),
    /** The segments below this number were synced, and this one up to byte `end`. */
    mark(number: number, end: number) {
      const value = Buffer.allocUnsafe(MARK_BYTES)
      value.writeUInt32LE(number)
      value.writeUInt32LE(end, 4)
      return change(KIND.mark, '', value)
    },
    get bytes() {
      return end
    },
    finish(): Buffer {
      const body = buffer.subarray(FRAME_HEAD_BYTES, end)
      buffer.writeUInt32LE(body.length, 0)
      buffer.writeUInt32LE(crc32(body), 4)
      return buffer.subarray(0, end)
    },
  }
}

/** Gives each change of each whole frame that begins from `from` to before `to` to `take`; returns where the last one ends. */
export function readFrames(
  segment: Buffer,
  take: (change: FramedChange) => void,
  from = HEADER_BYTES,
  to = segment.length,
): number {
  let at = from
  while (at < to && at + FRAME_HEAD_BYTES <= segment.length) {
    const end = at + FRAME_HEAD_BYTES + segment.readUInt32LE(at)
    if (end > segment.length || end === at + FRAME_HEAD_BYTES) return at
    if (crc32(segment.subarray(at + FRAME_HEAD_BYTES, end)) !== segment.readUInt32LE(at + 4)) return at
    for (let next = at + FRAME_HEAD_BYTES; next < end; ) {
      const change = readChange(segment, next)
      take(change)
      next = change.at + change.bytes
    }
    at = end
  }
  return at
}

function readChange(segment: Buffer, at: number): FramedChange {
  const code = segment.readUInt8(at)
  const key_bytes = segment.readUInt16LE(at + 1)
  const start = at + CHANGE_HEAD_BYTES
  return {
    kind: code === KIND.put ? 'put' : code === KIND.delete ? 'delete' : 'mark',
    key: segment.toString('utf8', start, start + key_bytes),
    at: start + key_bytes,
    bytes: segment.readUInt32LE(at + 3),
  }
}

/** Does a mark anywhere from `from` on say that byte `end` of segment `number` was synced, or a later one? Frames before it may be damaged. */
export function saysSynced(segment: Buffer, from: number, { number, end }: { number: number; end: number }): boolean {
  const body_bytes = CHANGE_HEAD_BYTES + MARK_BYTES
  for (let at = from; at + FRAME_HEAD_BYTES + body_bytes <= segment.length; at++) {
    if (segment.readUInt32LE(at) !== body_bytes || segment[at + FRAME_HEAD_BYTES] !== KIND.mark) continue
    const body = segment.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + body_bytes)
    if (crc32(body) !== segment.readUInt32LE(at + 4)) continue
    const marked = { number: body.readUInt32LE(CHANGE_HEAD_BYTES), end: body.readUInt32LE(CHANGE_HEAD_BYTES + 4) }
    if (marked.number > number || (marked.number === number && marked.end > end)) return true
  }
  return false
}

/** What a power cut leaves of a segment of which nothing was synced: its length, and zeros. */
export function isBlank(segment: Buffer): boolean {
  return segment.subarray(0, HEADER_BYTES).every((byte) => byte === 0)
}
