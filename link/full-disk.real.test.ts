/** The log's disk and an outbox on it when the file system is really full, by somebody else to the last block. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { isProblem } from '../contract/problem.ts'
import { LOG_RESERVES_A_SEGMENT } from './limits.ts'
import { openLogDisk } from './log-disk.ts'
import { logReserve } from './log-reserve.ts'
import { openOutbox } from './outbox.ts'

const root = process.getuid?.() === 0
const SMALL = { segment_bytes: 128 * 1024, garbage_min_bytes: 256 * 1024 }
const faults: unknown[] = []
const fault = (error: unknown) => faults.push(error)

let folder: string
let log: string
beforeEach(({ skip }) => {
  if (!root) skip('only root can mount a small file system')
  folder = mkdtempSync(join(tmpdir(), 'hearth-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder])
  log = join(folder, 'log')
  mkdirSync(log)
  faults.length = 0
})
afterEach(() => {
  if (!root) return
  execFileSync('umount', ['-l', folder])
  rmSync(folder, { recursive: true })
})

const filler = () => join(folder, 'filler')
function fill(): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${filler()}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], { stdio: 'ignore' })
  } catch {
    // dd ends with an error when the disk is full, which is what it is for.
  }
}

/** Tries until there is room again, which cleaning makes by itself. */
async function untilRoom<T>(write: () => T): Promise<T> {
  for (;;) {
    try {
      return write()
    } catch (error) {
      if (!isProblem(error, 'limit')) throw error
      await pause(2)
    }
  }
}

test('what is overwritten goes on being written on a full disk, many times what is kept for it, and is there after a restart', async () => {
  const disk = openLogDisk(log, { ...SMALL, fault })
  const value = (text: string) => Buffer.from(text.padEnd(1_000, '.'))
  for (let key = 0; key < 100; key++) disk.write([{ put: `kept-${key}`, value: value(`${key}`) }])
  fill()
  // 4 MB: twice the file system, a hundred times what counts of it.
  for (let i = 0; i < 4_000; i++) {
    await untilRoom(() => disk.write([{ put: `hot-${i % 20}`, value: value(`${i}`) }]))
  }
  expect(faults).toEqual([])
  disk.close()
  const again = openLogDisk(log, { ...SMALL, fault })
  const text = (key: string) => Buffer.from(again.get(key) ?? []).toString()
  expect(Array.from({ length: 100 }, (_, key) => Number.parseInt(text(`kept-${key}`), 10))).toEqual([
    ...Array.from({ length: 100 }).keys(),
  ])
  expect(Array.from({ length: 20 }, (_, key) => Number.parseInt(text(`hot-${key}`), 10))).toEqual(
    Array.from({ length: 20 }, (_, key) => 3_980 + key),
  )
  again.close()
})

test('where all that is there still counts the disk says that it is full, and goes on by itself when there is room', async () => {
  const disk = openLogDisk(log, { ...SMALL, fault })
  const value = Buffer.alloc(1_000)
  fill()
  const isFull = () => {
    try {
      disk.write([{ put: `kept-${written}`, value }])
      written++
      return false
    } catch (error) {
      return isProblem(error, 'limit')
    }
  }
  let written = 0
  while (!isFull()) if (written % 50 === 0) await pause(1)
  // What is kept for deletes is there.
  disk.write([{ delete: 'kept-0' }])
  rmSync(filler())
  await untilRoom(() => disk.write([{ put: 'kept-0', value: Buffer.from('again') }]))
  for (let more = 0; more < 200; more++) await untilRoom(() => disk.write([{ put: `more-${more}`, value }]))
  disk.close()
  const again = openLogDisk(log, { ...SMALL, fault })
  expect(again.scan('kept-', 'kept-~')).toHaveLength(written)
  expect(again.scan('more-', 'more-~')).toHaveLength(200)
  again.close()
})

test('segments that count whole, each a large write longer than it should be, are cleaned with what is kept for cleaning alone', async () => {
  const disk = openLogDisk(log, { ...SMALL, fault })
  // Seven of them are just less than a segment: it takes an eighth.
  for (let key = 0; key < 32; key++) disk.write([{ put: `kept-${key}`, value: Buffer.alloc(18_000, key) }])
  fill()
  const hot = (i: number) =>
    disk.write([{ put: 'hot', value: Buffer.from(`${i}`.padEnd(1_000)) }, { delete: `cold-${i}` }])
  // All that writes and deletes may take, before cleaning has its first turn.
  expect(() => {
    for (let i = 0; ; i++) hot(i)
  }).toThrow(/no room/)
  for (let i = 0; i < 1_000; i++) await untilRoom(() => hot(i))
  expect(faults).toEqual([])
  for (let key = 0; key < 32; key++) expect(disk.get(`kept-${key}`)).toEqual(Buffer.alloc(18_000, key))
  disk.close()
})

test('what is given up is free at once, also what is just being synced', () => {
  const reserve = logReserve(log, SMALL.segment_bytes)
  reserve.keep()
  const free = () => statfsSync(folder).bfree * statfsSync(folder).bsize
  const before = free()
  expect(reserve.giveUp('writes')).toBe(true)
  expect(free() - before).toBe(SMALL.segment_bytes / LOG_RESERVES_A_SEGMENT)
  reserve.close()
})

test('much that counts is copied for little garbage only once writes have no other room', async () => {
  const disk = openLogDisk(log, { ...SMALL, fault })
  const hot = (i: number) => disk.write([{ put: 'hot', value: Buffer.from(`${i}`.padEnd(1_000)) }])
  for (let key = 0; key < 900; key++) disk.write([{ put: `kept-${key}`, value: Buffer.alloc(1_000) }])
  // More than half a segment, less than a quarter of what counts.
  for (let i = 0; i < 80; i++) hot(i)
  fill()
  const first = join(log, '0000000001.log')
  const size = () =>
    readdirSync(log).reduce((sum, name) => sum + (name.endsWith('.log') ? statSync(join(log, name)).size : 0), 0)
  const before = size()
  for (let i = 0; i < 30; i++) {
    hot(i)
    await disk.sync()
  }
  expect(existsSync(join(log, 'reserve.0'))).toBe(false)
  // Nothing but what was written.
  expect(size() - before).toBeLessThan(40_000)
  for (let i = 0; i < 1_000; i++) await untilRoom(() => hot(i))
  expect(existsSync(first)).toBe(false)
  expect(faults).toEqual([])
  disk.close()
})

test('a disk that ends in the midst of cleaning goes on after each of many starts', async () => {
  let disk = openLogDisk(log, { ...SMALL, fault })
  for (let key = 0; key < 32; key++) disk.write([{ put: `kept-${key}`, value: Buffer.alloc(18_000, key) }])
  fill()
  for (let start = 0; start < 12; start++) {
    for (let i = 0; i < 150; i++) {
      await untilRoom(() => disk.write([{ put: 'hot', value: Buffer.from(`${start}-${i}`.padEnd(1_000)) }]))
    }
    disk.close()
    disk = openLogDisk(log, { ...SMALL, fault })
    expect(
      Buffer.from(disk.get('hot') ?? [])
        .toString()
        .trim(),
    ).toBe(`${start}-149`)
  }
  for (let key = 0; key < 32; key++) expect(disk.get(`kept-${key}`)).toEqual(Buffer.alloc(18_000, key))
  expect(faults).toEqual([])
  disk.close()
})

test('an outbox whom nobody asks drops its oldest, counts it, starts again on the full disk, and tells of all of it', async () => {
  const open = async () => {
    const disk = openLogDisk(log, { ...SMALL, fault })
    const about = { source: 'relay-0', generation: 1, firmware: '1', agent: '1', streams: [{ name: 'events' }] }
    return { disk, outbox: await openOutbox({ ...about, disk, clock, random, batch_bytes: 16 * 1024, codec: 'plain' }) }
  }
  const noise = () => Buffer.from(random.bytes(300)).toString('hex')
  const first = await open()
  const append = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const event = { m: i, kind: 'log', text: noise() }
      await untilRoom(() => first.outbox.append('events', event))
    }
  }
  await append(100)
  fill()
  await append(4_000)
  const [before] = first.outbox.status()
  expect(before?.dropped).toBeGreaterThan(0)
  expect((before?.events ?? 0) + (before?.dropped ?? 0)).toBe(4_100)
  first.disk.close()

  const { disk, outbox } = await open()
  const [after] = outbox.status()
  const seen: number[] = []
  for (;;) {
    const batch = await untilRoom(() => outbox.take('events', { flush: true }))
    if (!batch) break
    const transmission = outbox.transmit(batch)
    for (const [from, to] of transmission.header.previous[0]?.dropped ?? transmission.header.dropped)
      for (let number = from; number < to; number++) seen.push(number)
    for (let number = batch.first; number < batch.first + batch.count; number++) seen.push(number)
    await untilRoom(() => outbox.acknowledge(transmission))
  }
  // Each number once at least: as an event, or as one that was dropped.
  expect(new Set(seen).size).toBe(4_100)
  // A start gives up a batch at most where there is no room for its name.
  expect(before?.events).toBeLessThanOrEqual((after?.events ?? 0) + 100)
  disk.close()
})
