import { beforeEach, expect, test } from 'vitest'
import { CHECKPOINT_INTERVAL } from '../lake/limits.ts'
import { entryPath } from '../lake/log.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import { createSample, reopenSample, requestOn, sampleFile } from '../lake/testing/sample.ts'
import { ManualClock } from '../sim/clock.ts'
import { FOLD_VERSIONS, HOUR_MS } from './limits.ts'
import { nothingTouched } from './touched.ts'
import { catchUp, foldTouched } from './touched-fold.ts'

let clock: ManualClock
let store: ObjectStore
let table: Table

beforeEach(async () => {
  clock = new ManualClock()
  store = openMemoryStore({ clock })
  table = await createSample(store, clock)
})

const at = (hour: number) => Date.UTC(2026, 10, 20) + hour * HOUR_MS

/** A commit that touches an hour of bucket 1, and tells a registry row of it. */
async function touch(hour: number, on = table, received = '2026-11-24'): Promise<void> {
  const touched = { hours: [[at(hour), 1]], issued: [], registry: [[1, at(hour)]] }
  const stats = JSON.stringify({
    ...{ numRecords: 1, nullCount: {} },
    minValues: { received_time: `${received}T05:59:00Z` },
    maxValues: { received_time: `${received}T06:01:00Z` },
  })
  const adds = [sampleFile(`f${(await on.snapshot()).version}`, { stats })]
  expect(await on.commit(await requestOn(on, `c${hour}`, 'ingest', { adds, info: { touched } }))).toMatchObject({
    kind: 'committed',
  })
}

async function folds(): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('_hearth/touched/sample/')) paths.push(path)
  return paths
}

async function cleanUp(below: number): Promise<void> {
  for (let version = 0; version < below; version++) await store.delete(entryPath('sample', version))
}

test('what is folded is what the log tells, and goes on from there when the log is cleaned up', async () => {
  for (let hour = 1; hour < CHECKPOINT_INTERVAL; hour++) await touch(hour)
  const before = nothingTouched()
  await catchUp(before, table, store)
  expect(await foldTouched(table, store)).toBe(CHECKPOINT_INTERVAL - 1)
  await touch(CHECKPOINT_INTERVAL)
  await cleanUp(CHECKPOINT_INTERVAL)
  const after = nothingTouched()
  await catchUp(after, table, store)
  await catchUp(before, table, store)
  expect(after).toEqual({ ...before, folded: CHECKPOINT_INTERVAL - 1 })
  expect(after.hours.get(at(CHECKPOINT_INTERVAL), 1)).toBe(CHECKPOINT_INTERVAL)
  expect(after.validity.rows).toHaveLength(CHECKPOINT_INTERVAL)
})

test('the content of a fold follows from its version, however it was come by', async () => {
  for (let hour = 1; hour <= 3; hour++) await touch(hour)
  await foldTouched(table, store)
  await touch(1)
  await foldTouched(table, store)
  const bytes = async () => await store.get(`_hearth/touched/sample/${'4'.padStart(20, '0')}`)
  const onwards = await bytes()
  for (const path of await folds()) await store.delete(path)
  await foldTouched(table, store)
  expect(await bytes()).toEqual(onwards)
})

test('a command that says it was issued in a far future takes no hour out of the fold', async () => {
  await touch(1)
  const touched = { hours: [], issued: [[Date.UTC(2900, 0), 1]], registry: [] }
  const changes = { adds: [sampleFile('future')], info: { touched } }
  await table.commit(await requestOn(table, 'future', 'ingest', changes))
  await foldTouched(table, store)
  const after = nothingTouched()
  await catchUp(after, reopenSample(store, clock), store)
  expect(after.hours.get(at(1), 1)).toBe(1)
})

test('a gateway whose clock is years ahead takes no hour out of the fold', async () => {
  await touch(1)
  await foldTouched(table, store)
  await touch(2, table, '2028-12-11')
  await foldTouched(table, store)
  const after = nothingTouched()
  await catchUp(after, reopenSample(store, clock), store)
  expect([after.hours.get(at(1), 1), after.hours.get(at(2), 1)]).toEqual([1, 2])
})

test('an hour that is too old for any metric is left out of the fold', async () => {
  await touch(1)
  await foldTouched(table, store)
  clock.jump(500 * 24 * HOUR_MS)
  for (const hour of [2, 3]) {
    await touch(hour)
    await foldTouched(table, store)
  }
  const after = nothingTouched()
  await catchUp(after, reopenSample(store, clock), store)
  expect([...after.hours.entries()]).toEqual([])
})

test('a process that slept while the log was cleaned up takes the fold', async () => {
  await touch(1)
  const slept = nothingTouched()
  const sleeping = reopenSample(store, clock)
  await catchUp(slept, sleeping, store)
  // More than a table keeps in memory.
  for (let hour = 2; hour <= 80; hour++) await touch(hour)
  await foldTouched(table, store)
  await cleanUp(80)
  await catchUp(slept, table, store)
  expect(slept).toMatchObject({ version: 80, folded: 80 })
  expect([...slept.hours.entries()]).toHaveLength(80)
})

test('says that it cannot be known when neither fold nor log tell it', async () => {
  for (let hour = 1; hour <= 70; hour++) await touch(hour)
  await cleanUp(3)
  await expect(catchUp(nothingTouched(), table, store)).rejects.toMatchObject({ kind: 'corrupt' })
})

test('a damaged fold is passed over, and the newest two are kept', async () => {
  for (let hour = 1; hour <= 3; hour++) {
    await touch(hour)
    await foldTouched(table, store)
  }
  expect((await folds()).map((path) => Number(path.slice(-20)))).toEqual([2, 3])
  const [, newest = ''] = await folds()
  await store.put(
    newest,
    Buffer.from(
      Buffer.from(await store.get(newest))
        .toString()
        .replace('[[', '[ ['),
    ),
  )
  const touched = nothingTouched()
  await catchUp(touched, table, store)
  expect(touched).toMatchObject({ version: 3, folded: 2 })
})

test(`is kept by itself each ${FOLD_VERSIONS} versions`, async () => {
  const touched = nothingTouched()
  for (let hour = 1; hour < FOLD_VERSIONS - 1; hour++) await touch(hour)
  await catchUp(touched, table, store)
  expect(await folds()).toEqual([])
  await touch(0)
  await catchUp(touched, table, store)
  expect(await folds()).toHaveLength(1)
}, 30_000)
