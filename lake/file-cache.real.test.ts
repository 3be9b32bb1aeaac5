/** One cache folder under many processes, kill -9 and a full disk. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { openFileCache } from './file-cache.ts'
import { openFolderStore } from './folder-store.ts'
import { CHILD_BYTES, CHILD_FILES, contentOf } from './testing/cache-child.ts'
import { openHookedStore } from './testing/hooked-store.ts'

const CHILD = join(import.meta.dirname, 'testing/cache-child.ts')
let home: string
let lake: string
let folder: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hearth-cache-'))
  lake = join(home, 'lake')
  folder = join(home, 'cache')
  const store = openFolderStore(lake)
  for (let index = 0; index < CHILD_FILES; index++) await store.put(`t/${index}`, contentOf(index))
})
afterEach(() => rm(home, { recursive: true }))

const openCache = () =>
  openFileCache(openHookedStore(openFolderStore(lake), {}), { folder, max_bytes: 5 * CHILD_BYTES, clock: machineClock })

function start(rounds: number, seed: number) {
  const child = spawn(process.execPath, [CHILD, lake, folder, String(rounds), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, ended: once(child, 'exit') }
}

test('processes that share a cache never read anything but what was put, though some are killed', async () => {
  const steady = [1, 2].map((seed) => start(300, seed))
  for (let seed = 10; seed < 15; seed++) {
    const { child, ended } = start(1_000_000, seed)
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await ended
  }
  for (const { child, ended } of steady) {
    child.stdout.resume()
    expect(await ended).toEqual([0, null])
  }
  await using cache = await openCache()
  expect(await readdir(join(folder, 'held'))).toHaveLength(1)
  for (let index = 0; index < CHILD_FILES; index++) {
    await using _ = await cache.hold([{ path: `t/${index}`, size_bytes: CHILD_BYTES }])
  }
  const kept = await Promise.all((await readdir(join(folder, 'data'))).map((name) => stat(join(folder, 'data', name))))
  expect(kept.length).toBeLessThanOrEqual(5)
  expect(kept.every(({ size, nlink }) => size === CHILD_BYTES && nlink === 1)).toBe(true)
})

test('on a full disk says so, leaves nothing half, and goes on when there is room', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can mount a small file system')
  await mkdir(folder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${2 * Math.ceil(CHILD_BYTES / 4096) * 4}k`, 'tmpfs', folder])
  try {
    const cache = await openCache()
    const objects = [0, 1, 2].map((index) => ({ path: `t/${index}`, size_bytes: CHILD_BYTES }))
    const message = expect.stringContaining('is full: free some space, or lower lake.cache_mb')
    await expect(cache.hold(objects)).rejects.toMatchObject({ kind: 'unavailable', message })
    expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.part'))).toEqual([])
    await cache.forget(objects.map(({ path }) => path))
    await using held = await cache.hold(objects.slice(0, 1))
    expect(held.paths).toHaveLength(1)
    await held[Symbol.asyncDispose]()
    await cache[Symbol.asyncDispose]()
  } finally {
    execFileSync('umount', ['-l', folder])
  }
})
