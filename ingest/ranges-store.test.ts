import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { createLake, openLake } from '../lake/lake.ts'
import { entryPath } from '../lake/log.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { plainCheckpoints } from '../sim/plain-checkpoints.ts'
import { loadRanges, putRanges, rangesKey } from './ranges-store.ts'

const layout = { epoch: 1, buckets: 2 }

async function setUp() {
  const [clock, random] = [new ManualClock(), seededRandom(1)]
  const store = openMemoryStore({ clock })
  const environment = { store, clock, random, checkpoints: plainCheckpoints, checkpoint_interval: 3 }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: layout.buckets })
  const table = await lake.table('events')
  const commit = async (id: string, info: Readonly<Record<string, unknown>>) => {
    const base = await table.snapshot()
    await table.commit({ id, kind: 'ingest', base, adds: [], removes: [], txns: [], info })
  }
  for (let i = 0; i < 4; i++) await commit(`c${i}`, {})
  for (let version = 0; version < 3; version++) await store.delete(entryPath('events', version))
  const load = async (version: number) => {
    const fresh = await (await openLake(environment)).table('events')
    return await loadRanges({ store, table: fresh, layout }, [0, 1], version)
  }
  return { store, load, commit }
}

test('ranges of a version that clean-up has passed are unavailable, and those of the newest are there', async () => {
  const { store, load } = await setUp()
  for (const bucket of [0, 1]) await putRanges(store, layout, bucket, 3, new Map())
  await expect(load(2)).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('newest') })
  expect((await load(4)).get(1)).toMatchObject({ snapshot_version: 3 })
})

test('without the ranges of one bucket nothing begins on a log that was cleaned up', async () => {
  const { store, load } = await setUp()
  await putRanges(store, layout, 0, 3, new Map())
  await expect(load(4)).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('backup') })
})

test('a damaged snapshot of ranges is passed over: the one before it and the log say the same', async () => {
  const { store, load } = await setUp()
  for (const version of [2, 3]) for (const bucket of [0, 1]) await putRanges(store, layout, bucket, version, new Map())
  await store.put('_hearth/ranges/1/0/00000000000000000003', Buffer.from('torn'))
  const loaded = await load(4)
  expect([0, 1].map((bucket) => loaded.get(bucket)?.snapshot_version)).toEqual([2, 3])
  await store.put('_hearth/ranges/1/0/00000000000000000002', Buffer.from('torn as well'))
  await expect(load(4)).rejects.toMatchObject({
    kind: 'corrupt',
    message: expect.stringMatching(
      /what was received cannot be known.*Restore _hearth.ranges. or the log from a backup/,
    ),
  })
})

test('what an older Hearth committed past what counts exactly ends there, and can be written down again', async () => {
  const { store, load, commit } = await setUp()
  for (const bucket of [0, 1]) await putRanges(store, layout, bucket, 3, new Map())
  const past = [Number.MAX_SAFE_INTEGER - 5, 2 ** 53 + 94]
  const row = ['a', 'control', '1-1-00000000', past[1], 0, false, 1, [], [past, [past[1], 2 ** 53 + 100]], []]
  await commit('c4', { ranges: { version: 2, epoch: 1, buckets: { 1: [row] } } })
  const ranges = (await load(5)).get(1)?.ranges ?? new Map()
  const dead = [[Number.MAX_SAFE_INTEGER - 5, Number.MAX_SAFE_INTEGER]]
  const boot = { next: Number.MAX_SAFE_INTEGER, dead }
  expect(ranges.get('a control')?.boots.get('1-1-00000000')).toMatchObject(boot)
  await putRanges(store, layout, 1, 5, ranges)
  expect((await load(5)).get(1)).toEqual({ ranges, snapshot_version: 5 })
})

test('a key of ranges whose put had no answer yet is unavailable, not missing', async () => {
  const store = openMemoryStore({ clock: new ManualClock() })
  const put = () => Promise.reject(new Problem('unavailable', 'no answer', { outcome: 'unknown' }))
  await expect(rangesKey({ ...store, put }, seededRandom(1))).rejects.toMatchObject({ kind: 'unavailable' })
})
