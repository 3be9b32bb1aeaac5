import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import {
  BATCH_TARGET_BYTES,
  LOG_RESERVES,
  LOG_RESERVES_A_SEGMENT,
  LOG_RESERVES_LEFT,
  LOG_SEGMENT_BYTES,
} from './limits.ts'
import { openLogDisk } from './log-disk.ts'
import { logReserve } from './log-reserve.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hearth-log-reserve-'))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))
const SEGMENT_BYTES = 64 * 1024
const FILE_BYTES = SEGMENT_BYTES / LOG_RESERVES_A_SEGMENT
let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(root, 'disk-'))
})
const names = () => fs.readdirSync(folder).filter((name) => name.startsWith('reserve'))
const whole = () => names().filter((name) => fs.statSync(path.join(folder, name)).size === FILE_BYTES)

test('what is kept for cleaning takes a segment whose last write is the largest, and the rest of a file that went to others', () => {
  const file_bytes = LOG_SEGMENT_BYTES / LOG_RESERVES_A_SEGMENT
  expect(LOG_RESERVES_LEFT.deletes * file_bytes).toBeGreaterThan(LOG_SEGMENT_BYTES + BATCH_TARGET_BYTES + file_bytes)
})

test('a disk has it whole once it is open, and makes anew what a power cut left short, or an earlier version made', () => {
  openLogDisk(folder, { segment_bytes: SEGMENT_BYTES }).close()
  expect(whole()).toHaveLength(LOG_RESERVES)
  fs.truncateSync(path.join(folder, 'reserve.3'))
  fs.truncateSync(path.join(folder, 'reserve.4'), 100)
  fs.writeFileSync(path.join(folder, 'reserve'), 'of an earlier version')
  openLogDisk(folder, { segment_bytes: SEGMENT_BYTES }).close()
  expect(whole()).toHaveLength(LOG_RESERVES)
  expect(names()).toHaveLength(LOG_RESERVES)
})

test('each sync makes one of those that are missing', async () => {
  const disk = openLogDisk(folder, { segment_bytes: SEGMENT_BYTES })
  const { writeSync } = fs
  let full = 3
  const write = (...args: Parameters<typeof writeSync>): number => {
    if (full-- > 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    return writeSync(...args)
  }
  fs.writeSync = Object.assign(write, writeSync)
  try {
    disk.write([{ put: 'a', value: new Uint8Array(10) }])
  } finally {
    fs.writeSync = writeSync
  }
  expect(whole()).toHaveLength(LOG_RESERVES - 3)
  await disk.sync()
  expect(whole()).toHaveLength(LOG_RESERVES - 2)
  await disk.sync()
  await disk.sync()
  expect(whole()).toHaveLength(LOG_RESERVES)
  disk.close()
})

test('takes as much room where the file system compresses, or keeps what is the same once', () => {
  logReserve(folder, SEGMENT_BYTES).keep()
  const contents = names().map((name) => fs.readFileSync(path.join(folder, name)))
  for (const content of contents) expect(deflateSync(content).length).toBeGreaterThan(FILE_BYTES)
  expect(new Set(contents.map((content) => content.toString('latin1'))).size).toBe(LOG_RESERVES)
})

test('what was given up while no room is being won is nobody’s own', () => {
  const reserve = logReserve(folder, SEGMENT_BYTES)
  reserve.keep()
  reserve.full()
  reserve.relax()
  expect(reserve.giveUp('writes')).toBe(true)
  reserve.credit('writes')
  expect(reserve.admits('writes', FILE_BYTES)).toBe(true)
  reserve.full()
  expect(reserve.admits('writes', 1)).toBe(false)
  reserve.giveUp('cleaning')
  reserve.credit('cleaning')
  expect(reserve.admits('cleaning', FILE_BYTES)).toBe(true)
  expect(reserve.admits('writes', 1)).toBe(false)
})

test('a file system that needs room to give room is told as full, and the file is still there', () => {
  const reserve = logReserve(folder, SEGMENT_BYTES)
  reserve.keep()
  const { rmSync } = fs
  fs.rmSync = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, unlink'), { code: 'ENOSPC' })
  }
  let problem: unknown
  try {
    reserve.giveUp('writes')
  } catch (error) {
    problem = error
  } finally {
    fs.rmSync = rmSync
  }
  expect(isProblem(problem, 'limit')).toBe(true)
  expect(names()).toHaveLength(LOG_RESERVES)
  expect(reserve.giveUp('writes')).toBe(true)
})
