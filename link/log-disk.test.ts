import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import type { Disk, DiskChange } from './disk.ts'
import { openLogDisk } from './log-disk.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hearth-log-disk-'))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))
let count = 0
const newFolder = () => path.join(root, String(count++))
const small = { segment_bytes: 256, garbage_min_bytes: 512 }
const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const contentOf = (disk: Disk) =>
  Object.fromEntries(disk.scan('', '\u{10ffff}').map(({ key, value }) => [key, Buffer.from(value).toString()]))
const segmentsOf = (folder: string) =>
  fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .map((name) => path.join(folder, name))
const sizesOf = (folder: string) => new Map(segmentsOf(folder).map((file) => [path.basename(file), sizeOf(file)]))
/** Cleaning may just be taking it away. */
const sizeOf = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** The folder as it is now; cleaning may be taking one of its files away. */
function copyOf(folder: string): string {
  const copy = newFolder()
  fs.mkdirSync(copy)
  for (const file of segmentsOf(folder)) {
    try {
      fs.copyFileSync(file, path.join(copy, path.basename(file)))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return copy
}

function open(folder: string, fault: (error: unknown) => void = (error) => expect.fail(String(error))): Disk {
  return openLogDisk(folder, { ...small, fault })
}

const change = fc.oneof(
  fc.record({ put: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.string({ maxLength: 60 }).map(bytes) }),
  fc.record({ delete: fc.constantFrom('a', 'b', 'c', 'd', 'e') }),
)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.array(change, { minLength: 1, maxLength: 4 }) },
  { weight: 2, arbitrary: fc.constant('sync' as const) },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
)

function applied(before: Readonly<Record<string, string>>, changes: readonly DiskChange[]): Record<string, string> {
  const after = new Map(Object.entries(before))
  for (const one of changes) {
    if ('put' in one) after.set(one.put, Buffer.from(one.value).toString())
    else after.delete(one.delete)
  }
  return Object.fromEntries(after)
}

test('after a power cut it is as after one of the writes since the last sync, whatever was being cleaned', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat(1_000)), async (steps, dice) => {
      const folder = newFolder()
      let disk = open(folder)
      /** What it was after each write since the last sync, and how long each segment was then. */
      let states: Record<string, string>[] = [{}]
      let sizes = sizesOf(folder)
      for (const one of steps) {
        if (one === 'sync') {
          sizes = sizesOf(folder)
          await disk.sync()
          states = states.slice(-1)
        } else if (one === 'reopen') {
          disk.close()
          disk = open(folder)
          expect(contentOf(disk)).toEqual(states.at(-1))
        } else {
          disk.write(one)
          states.push(applied(states.at(-1) ?? {}, one))
        }
      }
      expect(contentOf(disk)).toEqual(states.at(-1))
      const cut = copyOf(folder)
      disk.close()
      const left = segmentsOf(cut).sort()
      // The newest that were never synced may be gone; of the others a part of what was not.
      while (left.length > 0 && !sizes.has(path.basename(left.at(-1) ?? '')) && (dice.next().value ?? 0) % 2 === 0)
        fs.rmSync(left.pop() ?? '')
      for (const file of left) {
        const synced = sizes.get(path.basename(file)) ?? 0
        fs.truncateSync(file, synced + ((dice.next().value ?? 0) % (sizeOf(file) - synced + 1)))
      }
      const after = open(cut)
      expect(states).toContainEqual(contentOf(after))
      after.write([{ put: 'z', value: bytes('on it goes') }])
      after.close()
      const again = open(cut)
      expect(again.get('z')).toEqual(Buffer.from('on it goes'))
      again.close()
    }),
    { numRuns: 60 },
  )
})

test('what is overwritten again and again takes little room, and the rest is still there', async () => {
  const folder = newFolder()
  const disk = open(folder)
  const kept = Array.from({ length: 50 }, (_, i) => ({ put: `kept-${i}`, value: bytes(`value ${i}`) }))
  disk.write(kept)
  for (let i = 0; i < 2_000; i++) {
    disk.write([{ put: 'hot', value: bytes(`number ${i}`) }])
    if (i % 20 === 0) await pause(1)
  }
  const room = () => segmentsOf(folder).reduce((sum, file) => sum + sizeOf(file), 0)
  // Of some 100,000 that were written. What a machine that is busy takes for it is no matter.
  await expect.poll(room, { timeout: 15_000 }).toBeLessThan(12_000)
  const content = contentOf(disk)
  disk.close()
  const again = open(folder)
  expect(contentOf(again)).toEqual(content)
  expect(Object.keys(content)).toHaveLength(51)
  expect(content['hot']).toBe('number 1999')
  again.close()
})

test('damage in what was synced is told by file and byte, and nothing is left out or changed', async () => {
  const folder = newFolder()
  const disk = open(folder)
  for (let i = 0; i < 20; i++) disk.write([{ put: `key-${i}`, value: bytes('x'.repeat(40)) }])
  await disk.sync()
  disk.close()
  const [first = ''] = segmentsOf(folder).sort()
  const good = fs.readFileSync(first)
  const bad = Buffer.from(good)
  bad.writeUInt8(bad.readUInt8(60) ^ 1, 60)
  fs.writeFileSync(first, bad)
  expect(() => open(folder)).toThrow(/0000000001\.log is damaged at byte 16; restore the folder from a copy/)
  expect(fs.readFileSync(first)).toEqual(bad)
  fs.writeFileSync(first, good)
  const restored = open(folder)
  expect(Object.keys(contentOf(restored))).toHaveLength(20)
  restored.close()
})

test('damage to what was synced is told in the newest segment too, and the file is left as it is', async () => {
  const folder = newFolder()
  const disk = openLogDisk(folder)
  for (let i = 0; i < 100; i++) disk.write([{ put: `key-${i}`, value: bytes('x'.repeat(100)) }])
  await disk.sync()
  disk.close()
  const [file = ''] = segmentsOf(folder)
  const bad = fs.readFileSync(file)
  bad.writeUInt8(bad.readUInt8(60) ^ 1, 60)
  fs.writeFileSync(file, bad)
  expect(() => openLogDisk(folder)).toThrow(/0000000001\.log is damaged at byte 16; restore the folder from a copy/)
  expect(fs.readFileSync(file)).toEqual(bad)
})

test('a segment of which a power cut left its length and zeros ends the log', async () => {
  const folder = newFolder()
  const disk = open(folder)
  disk.write([{ put: 'a', value: bytes('1') }])
  await disk.sync()
  disk.close()
  fs.writeFileSync(path.join(folder, '0000000002.log'), Buffer.alloc(4_096))
  const after = open(folder)
  expect(contentOf(after)).toEqual({ a: '1' })
  after.close()
  expect(segmentsOf(folder)).toHaveLength(1)
})

test('once a sync has failed nothing is taken for synced any more, and nothing is cleaned', async () => {
  const folder = newFolder()
  const faults: unknown[] = []
  const disk = open(folder, (error) => faults.push(error))
  disk.write([{ put: 'a', value: bytes('1') }])
  const { fdatasync } = fs
  fs.fdatasync = Object.assign(
    (_file: number, done: (error: Error) => void) => done(new Error('EIO: i/o error')),
    fdatasync,
  )
  try {
    await expect(Promise.all([disk.sync(), disk.sync()])).rejects.toThrow(/cannot sync .*EIO/)
  } finally {
    fs.fdatasync = fdatasync
  }
  await expect(disk.sync()).rejects.toThrow(/mend the disk and start again/)
  expect(() => disk.write([{ put: 'b', value: bytes('1') }])).toThrow(/mend the disk and start again/)
  disk.close()
})

test('says by name that a segment is of a newer format, or nothing of ours', () => {
  const folder = newFolder()
  open(folder).close()
  const [file = ''] = segmentsOf(folder)
  const header = fs.readFileSync(file)
  header.writeUInt32LE(9, 8)
  fs.writeFileSync(file, header)
  expect(() => open(folder)).toThrow(/0000000001\.log is of format 9; this Hearth knows up to 1/)
  fs.writeFileSync(file, 'a text that somebody put there')
  expect(() => open(folder)).toThrow(/is not a part of one of Hearth's disks/)
})

test('belongs to one opener', () => {
  const folder = newFolder()
  const disk = open(folder)
  expect(() => open(folder)).toThrow(/another process has .* open/)
  disk.close()
  open(folder).close()
})

test('says so when its folder cannot be made', () => {
  const file = newFolder()
  fs.writeFileSync(file, '')
  expect(() => open(path.join(file, 'below'))).toThrow(/cannot use/)
})

test('a key that is too long is refused, and nothing of its write was kept', () => {
  const disk = open(newFolder())
  let problem: unknown
  try {
    disk.write([
      { put: 'a', value: bytes('1') },
      { put: 'k'.repeat(70_000), value: bytes('1') },
    ])
  } catch (error) {
    problem = error
  }
  expect(isProblem(problem, 'invalid')).toBe(true)
  expect(contentOf(disk)).toEqual({})
  disk.close()
})

/** Writes to files fail with the code that `fails` says, for as long as `work` runs. */
async function failing<T>(fails: (bytes: number) => string | undefined, work: () => T | Promise<T>): Promise<T> {
  const { writeSync } = fs
  const failingWrite = (...args: Parameters<typeof writeSync>): number => {
    const [, data] = args
    const code = fails(data.length)
    if (code) throw Object.assign(new Error(code), { code })
    return writeSync(...args)
  }
  fs.writeSync = Object.assign(failingWrite, writeSync)
  try {
    return await work()
  } finally {
    fs.writeSync = writeSync
  }
}

test('a write that finds the disk full is kept as it is, though cleaning begins in its midst with nothing to copy or to sync', async () => {
  const folder = newFolder()
  const disk = open(folder)
  for (let i = 0; i < 2; i++) disk.write([{ put: 'hot', value: bytes('x'.repeat(250)) }])
  const MARK_BYTES = 23
  let marks = 0
  // The mark is tried again by the next sync, which is cleaning's own.
  await failing(
    (length) => (length < 2 * MARK_BYTES && marks++ === 0 ? 'EIO' : undefined),
    () => disk.sync(),
  )
  expect(marks).toBe(1)
  let writes = 0
  await failing(
    () => (writes++ === 0 ? 'ENOSPC' : undefined),
    () => disk.write([{ put: 'other', value: bytes('y'.repeat(100)) }]),
  )
  expect(writes).toBeGreaterThan(1)
  const content = { hot: 'x'.repeat(250), other: 'y'.repeat(100) }
  expect(contentOf(disk)).toEqual(content)
  await expect.poll(() => segmentsOf(folder).map((file) => path.basename(file))).not.toContain('0000000001.log')
  disk.close()
  const again = open(folder)
  expect(contentOf(again)).toEqual(content)
  again.close()
})
