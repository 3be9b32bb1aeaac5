import { type FileHandle, open, rm } from 'node:fs/promises'
import type { IntervalSet } from '../contract/interval.ts'
import { EVENT_LINE_MAX_BYTES } from '../contract/limits.ts'
import { EVENT_DEPTH_MAX, PLAIN_LINE_MAX_BYTES, SPOOL_BUFFER_BYTES } from './limits.ts'

/**
 * Lines on their way into DuckDB: a scratch file of `<number><TAB><line>`. The number is put before each line by its
 * position, so that no payload can forge it. A line that would break the form is given back instead.
 */
export type Spool = {
  readonly path: string
  /** Numbers line `ordinal` of the batch `firstNumber + ordinal`. Gives back the ordinals that it could not take. */
  add(firstNumber: number, lines: Buffer, take: IntervalSet): Promise<readonly Misfit[]>
  /** After this the file can be read. */
  finish(): Promise<void>
  close(): Promise<void>
}

export type Misfit = { readonly ordinal: number; readonly reason: string; readonly line: string }

const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const QUOTE = 0x22
const BACKSLASH = 0x5c

export async function openSpool(path: string): Promise<Spool> {
  const file: FileHandle = await open(path, 'w', 0o600)
  let buffer = Buffer.allocUnsafe(SPOOL_BUFFER_BYTES)
  let used = 0
  let closed = false

  async function flush() {
    for (let from = 0; from < used; ) from += (await file.write(buffer, from, used - from)).bytesWritten
    used = 0
  }

  return {
    path,
    async add(firstNumber, lines, take) {
      const misfits: Misfit[] = []
      const numbers = take.reduce((sum, [from, to]) => sum + to - from, 0)
      const needed = lines.length + numbers * 18
      if (used + needed > buffer.length) await flush()
      if (needed > buffer.length) buffer = Buffer.allocUnsafe(needed)
      // Bytes that mean something to the reader of the file; JSON needs none of them.
      const odd =
        lines.includes(TAB) || lines.includes(RETURN) || lines.includes(0) || lines.length > EVENT_LINE_MAX_BYTES
      let ordinal = 0
      let start = 0
      for (const [from, to] of take) {
        for (; ordinal < from; ordinal++) start = lines.indexOf(NEWLINE, start) + 1
        for (; ordinal < to; ordinal++) {
          const end = lines.indexOf(NEWLINE, start) + 1
          const line =
            odd || end - start > PLAIN_LINE_MAX_BYTES ? plainLine(lines, start, end, ordinal, misfits) : lines
          if (line) {
            used = writeNumber(buffer, used, firstNumber + ordinal)
            if (line === lines) used += lines.copy(buffer, used, start, end)
            else used += buffer.write(`${line.toString('utf8')}\n`, used, 'utf8')
          }
          start = end
        }
      }
      return misfits
    },
    async finish() {
      await flush()
      await file.close()
      closed = true
    },
    async close() {
      if (!closed) await file.close()
      closed = true
      await rm(path, { force: true })
    },
  }
}

/** A line without tabs and returns, which JSON allows between its tokens; undefined and a misfit for what is no JSON. */
function plainLine(lines: Buffer, start: number, end: number, ordinal: number, misfits: Misfit[]): Buffer | undefined {
  const line = lines.subarray(start, end - 1)
  if (line.length > EVENT_LINE_MAX_BYTES) {
    const reason = `the line is ${line.length} bytes long; the limit is ${EVENT_LINE_MAX_BYTES}`
    misfits.push({ ordinal, reason, line: line.subarray(0, 1024).toString('utf8') })
    return undefined
  }
  if (line.length > PLAIN_LINE_MAX_BYTES && depthOf(line) > EVENT_DEPTH_MAX) {
    const reason = `the line is nested deeper than ${EVENT_DEPTH_MAX} levels`
    misfits.push({ ordinal, reason, line: line.subarray(0, 1024).toString('utf8') })
    return undefined
  }
  if (!line.includes(TAB) && !line.includes(RETURN) && !line.includes(0)) return line
  try {
    JSON.parse(line.toString('utf8'))
  } catch {
    misfits.push({ ordinal, reason: 'the line is not JSON', line: line.toString('utf8') })
    return undefined
  }
  return Buffer.from(line.map((byte) => (byte === TAB || byte === RETURN ? 0x20 : byte)))
}

/** How deep brackets are nested, as JSON nests them. What walks a document by recursion dies of one that is too deep. */
function depthOf(line: Buffer): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let at = 0; at < line.length; at++) {
    const byte = line[at]
    if (inText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) inText = false
    } else if (byte === QUOTE) inText = true
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}

/** Decimal digits and a tab; returns where the next byte goes. */
function writeNumber(buffer: Buffer, at: number, number: number): number {
  let digits = 1
  for (let power = 10; power <= number; power *= 10) digits++
  let rest = number
  for (let i = at + digits - 1; i >= at; i--) {
    const tens = Math.floor(rest / 10)
    buffer[i] = 48 + rest - tens * 10
    rest = tens
  }
  buffer[at + digits] = TAB
  return at + digits + 1
}
