import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { ManualClock } from '../sim/clock.ts'
import { type FileCache, openFileCache } from './file-cache.ts'
import { RANGE_BYTES } from './limits.ts'
import { openMemoryStore } from './memory-store.ts'
import { openHookedStore } from './testing/hooked-store.ts'

const FILE_BYTES = 1_000
let folder: string
let clock: ManualClock
let fetched: string[]
let before: (path: string) => Promise<void>
let store: ReturnType<typeof openMemoryStore>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-cache-'))
  clock = new ManualClock(Date.parse('2026-11-24'))
  fetched = []
  before = async () => undefined
  store = openHookedStore(openMemoryStore({ clock: machineClock }), {
    async before(operation, path) {
      if (operation !== 'get') return
      fetched.push(path)
      await before(path)
    },
  })
})
afterEach(() => rm(folder, { recursive: true }))

const openCache = (max_bytes = 10 * FILE_BYTES) => openFileCache(store, { folder, max_bytes, clock })
const inCache = async () => (await readdir(join(folder, 'data'))).length

/** Puts a data file, as far as a cache can tell. */
async function put(path: string, size_bytes = FILE_BYTES) {
  const body = Buffer.from(machineRandom.bytes(size_bytes))
  body.write('PAR1', 0)
  body.write('PAR1', size_bytes - 4)
  await store.put(path, body)
  return { object: { path, size_bytes }, body }
}

/** Holds objects and lets them go again; how many were there already. */
async function use(cache: FileCache, ...objects: { path: string; size_bytes: number }[]): Promise<number> {
  await clock.advance(1_000)
  await using held = await cache.hold(objects)
  return held.cached_files
}

describe('the cache of data files', () => {
  test('brings files whole, of many ranges too, and has them the next time', async () => {
    await using cache = await openCache(10 * RANGE_BYTES)
    const [small, large] = [await put('t/small'), await put('t/large', 3 * RANGE_BYTES)]
    {
      await using held = await cache.hold([small.object, large.object])
      expect(held).toMatchObject({ cached_files: 0, fetched_bytes: FILE_BYTES + 3 * RANGE_BYTES })
      const [one = '', other = ''] = held.paths
      expect(small.body.equals(await readFile(one))).toBe(true)
      expect(large.body.equals(await readFile(other))).toBe(true)
    }
    await using again = await cache.hold([large.object, small.object])
    expect(again).toMatchObject({ cached_files: 2, fetched_bytes: 0 })
  })

  test('fetches a file once for all who want it at the same time', async () => {
    await using cache = await openCache()
    const { object } = await put('t/a')
    const all = await Promise.all([cache.hold([object]), cache.hold([object, object]), cache.hold([object])])
    expect(fetched).toEqual(['t/a'])
    for (const held of all) await held[Symbol.asyncDispose]()
  })

  test('keeps within its bytes: what was used longest ago goes', async () => {
    await using cache = await openCache(3 * FILE_BYTES)
    const [a, b, c, d] = await Promise.all(['t/a', 't/b', 't/c', 't/d'].map((path) => put(path)))
    if (!a || !b || !c || !d) throw new Error('four files')
    for (const { object } of [a, b, c, a, d]) await use(cache, object)
    expect(await inCache()).toBe(3)
    expect(await use(cache, a.object)).toBe(1)
    expect(await use(cache, b.object)).toBe(0)
  })

  test('never removes what is in use, in this process or another', async () => {
    await using cache = await openCache(2 * FILE_BYTES)
    await using other = await openCache(2 * FILE_BYTES)
    const [a, b, c] = [await put('t/a'), await put('t/b'), await put('t/c')]
    await using held = await cache.hold([a.object])
    for (const { object } of [b, c, b, c]) await use(other, object)
    expect(a.body.equals(await readFile(held.paths[0] ?? ''))).toBe(true)
    expect(await use(other, a.object)).toBe(1)
  })

  test('refuses to hold more at once than it may have, and says what to do', async () => {
    await using cache = await openCache(2 * FILE_BYTES)
    const all = await Promise.all(['t/a', 't/b', 't/c'].map((path) => put(path)))
    const refused = cache.hold(all.map(({ object }) => object))
    await expect(refused).rejects.toMatchObject({ kind: 'limit', message: expect.stringContaining('lake.cache_mb') })
    expect(fetched).toEqual([])
  })

  test.each([
    ['longer', FILE_BYTES - 1, /has more bytes, and 999 by the log/],
    ['shorter', FILE_BYTES + 1, /has only 1000 bytes, and 1001 by the log/],
  ])('finds a file that is %s than its log says', async (_, size_bytes, message) => {
    await using cache = await openCache()
    await put('t/a')
    const refused = cache.hold([{ path: 't/a', size_bytes }])
    await expect(refused).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(message) })
    expect(await inCache()).toBe(0)
  })

  test('finds a file that is no Parquet, and one that is gone', async () => {
    await using cache = await openCache()
    await store.put('t/a', Buffer.alloc(FILE_BYTES, 'x'))
    const held = (path: string) => cache.hold([{ path, size_bytes: FILE_BYTES }])
    await expect(held('t/a')).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('t/a') })
    await expect(held('t/b')).rejects.toMatchObject({ kind: 'missing', message: expect.stringContaining('t/b') })
  })

  test('fetches anew what failed, and what was cut short on the disk', async () => {
    await using cache = await openCache()
    const { object, body } = await put('t/a')
    before = async () => {
      throw new Error('the line is cut')
    }
    await expect(cache.hold([object])).rejects.toThrow('the line is cut')
    before = async () => undefined
    await use(cache, object)
    const [name = ''] = await readdir(join(folder, 'data'))
    await writeFile(join(folder, 'data', name), 'PAR1')
    await using held = await cache.hold([object])
    expect(held.cached_files).toBe(0)
    expect(body.equals(await readFile(held.paths[0] ?? ''))).toBe(true)
  })

  test('lets go of whoever gives up, while the fetch hangs', async () => {
    await using cache = await openCache()
    const { object } = await put('t/a')
    const hang = Promise.withResolvers<void>()
    before = () => hang.promise
    const given = new AbortController()
    const held = cache.hold([object], given.signal)
    given.abort(new Error('given up'))
    await expect(held).rejects.toThrow('given up')
    before = async () => undefined
    hang.resolve()
    expect(await use(cache, object)).toBe(0)
  })

  test('removes what a killed process held, and not what a running one holds', async () => {
    await using cache = await openCache()
    const { object } = await put('t/a')
    await using held = await cache.hold([object])
    const left = join(folder, 'held', '999999999-abc')
    await mkdir(left)
    await writeFile(join(left, '0-x.parquet.part'), 'x')
    await using _ = await openCache()
    await expect(stat(left)).rejects.toThrow('ENOENT')
    expect((await stat(held.paths[0] ?? '')).size).toBe(FILE_BYTES)
  })

  test('forgets objects: no copy of them is left when nobody uses it any more', async () => {
    const cache = await openCache()
    const [a, b] = [await put('t/a'), await put('t/b')]
    const held = await cache.hold([a.object, b.object])
    await cache.forget(['t/a'])
    expect(a.body.equals(await readFile(held.paths[0] ?? ''))).toBe(true)
    await held[Symbol.asyncDispose]()
    expect(await inCache()).toBe(1)
    expect(await use(cache, a.object, b.object)).toBe(1)
    await cache[Symbol.asyncDispose]()
    expect(await readdir(join(folder, 'held'))).toEqual([])
  })
})
