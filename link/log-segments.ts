/** The files of a log-disk.ts: one a segment, named by its number; beside them a lock. */
import fs from 'node:fs'
import path from 'node:path'
import { messageOf, Problem } from '../contract/problem.ts'
import { lockFile } from './file-lock.ts'
import { makeFolder } from './folder.ts'
import {
  checkHeader,
  type FramedChange,
  HEADER_BYTES,
  isBlank,
  readFrames,
  saysSynced,
  segmentHeader,
} from './log-frame.ts'

export type Segment = {
  readonly number: number
  readonly file: string
  readonly descriptor: number
  end: number
  /** Bytes of the changes in it that still count. */
  live_bytes: number
}

const NAME = /^(\d{10})\.log$/

export function createSegment(folder: string, number: number): Segment {
  const file = path.join(folder, `${String(number).padStart(10, '0')}.log`)
  const descriptor = fs.openSync(file, 'w+', 0o600)
  try {
    fs.writeSync(descriptor, segmentHeader())
  } catch (error) {
    fs.closeSync(descriptor)
    fs.rmSync(file, { force: true })
    throw error
  }
  return { number, file, descriptor, end: HEADER_BYTES, live_bytes: 0 }
}

/**
 * Opens the segments of a folder, oldest first, and gives each change of theirs to `take`. A log that a power cut left
 * with an end that is not whole is cut there. Raises `corrupt` where a mark says that what is damaged was synced.
 */
export function openSegments(folder: string, take: (segment: Segment, change: FramedChange) => void): Segment[] {
  const files = fs
    .readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => path.join(folder, name))
  const segments: Segment[] = []
  try {
    for (const [i, file] of files.entries()) {
      const number = Number(NAME.exec(path.basename(file))?.[1])
      const before = segments.at(-1)
      const bytes = fs.readFileSync(file)
      const isThere = bytes.length >= HEADER_BYTES && !isBlank(bytes)
      const isWhole = isThere && (before === undefined || number === before.number + 1)
      if (isThere) checkHeader(bytes, file)
      const descriptor = fs.openSync(file, 'r+')
      const segment: Segment = { number, file, descriptor, end: HEADER_BYTES, live_bytes: 0 }
      if (isWhole) {
        segments.push(segment)
        segment.end = readFrames(bytes, (change) => take(segment, change))
        if (segment.end === bytes.length) continue
      } else fs.closeSync(descriptor)
      if (isWhole) endLog(segment, bytes, files.slice(i + 1))
      else endLog(before, Buffer.alloc(0), files.slice(i))
      break
    }
  } catch (error) {
    for (const { descriptor } of segments) fs.closeSync(descriptor)
    throw error
  }
  return segments
}

/** Nothing counts after `last`: neither what follows in its file, `content`, nor the later ones. */
function endLog(last: Segment | undefined, content: Buffer, later: readonly string[]): void {
  const place = { number: last?.number ?? 0, end: last?.end ?? 0 }
  const parts = [content.subarray(place.end), ...later.map((file) => fs.readFileSync(file))]
  if (parts.some((part) => saysSynced(part, 0, place))) {
    const file = last?.file ?? later[0] ?? ''
    throw new Problem('corrupt', `${file} is damaged at byte ${place.end}; restore the folder from a copy`)
  }
  // From the newest back: a death on the way leaves no gap.
  for (const file of later.toReversed()) fs.unlinkSync(file)
  if (!last) return
  fs.ftruncateSync(last.descriptor, last.end)
  fs.fdatasyncSync(last.descriptor)
}

/** Holds the folder until it is closed or this process dies. Raises `conflict`, `unavailable`. */
export function lockFolder(folder: string): { close(): void } {
  try {
    makeFolder(folder)
    return lockFile(path.join(folder, 'lock'), `another process has ${folder} open: end it first`)
  } catch (error) {
    throw asProblem(error, folder)
  }
}

/** What a call to the file system raised, as a Problem: a full disk is `limit`. */
export function asProblem(error: unknown, folder: string): Problem {
  if (error instanceof Problem) return error
  if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'))
    return new Problem('limit', `no room to write ${folder}: free disk space; nothing of this write was kept`, {
      cause: error,
    })
  return new Problem('unavailable', `cannot use ${folder}: ${messageOf(error)}`, { outcome: 'unknown', cause: error })
}
