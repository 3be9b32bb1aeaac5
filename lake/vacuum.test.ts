import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { type AddFile, removeOf } from './action.ts'
import type { CommitOutcome, CommitRequest } from './commit.ts'
import { openMemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import type { Table } from './table.ts'
import { openHookedStore } from './testing/hooked-store.ts'
import { createSample, reopenSample, requestOn, sampleFile } from './testing/sample.ts'
import { type VacuumOptions, vacuum } from './vacuum.ts'

const HOUR_MS = 3_600_000
const random = seededRandom(5)
let clock: ManualClock
let store: ObjectStore
let table: Table

beforeEach(async () => {
  clock = new ManualClock()
  store = openMemoryStore({ clock })
  table = await createSample(store, clock)
})

const run = (more: Partial<VacuumOptions> = {}) =>
  vacuum({ store, table, clock, random, retention_ms: HOUR_MS, ...more })

async function upload(name: string): Promise<AddFile> {
  const file = sampleFile(name)
  await store.put(`sample/${file.path}`, Buffer.from(name))
  return file
}

async function commit(id: string, more: Partial<CommitRequest>, on = table) {
  return await on.commit(await requestOn(on, id, 'ingest', more))
}

async function replace(old: AddFile, name: string): Promise<AddFile> {
  const file = await upload(name)
  const done = await commit(name, { kind: 'replace', adds: [file], removes: [removeOf(old)] })
  expect(done.kind).toBe('committed')
  return file
}

async function dataFiles(): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('sample')) if (path.endsWith('.parquet')) paths.push(path)
  return paths.map((path) => path.slice(path.lastIndexOf('/') + 1).replace('.parquet', ''))
}

/** Each file of the newest version is there. */
async function expectWhole(): Promise<void> {
  const { files } = await reopenSample(store, clock).snapshot()
  for (const path of files.keys()) expect(await store.head(`sample/${path}`), path).toBeDefined()
}

describe('vacuum', () => {
  test('deletes what no version within the retention has, and nothing else', async () => {
    const first = await upload('first')
    await commit('first', { adds: [first] })
    const second = await replace(first, 'second')
    await clock.advance(HOUR_MS / 2)
    const { version } = await table.snapshot()
    const third = await replace(second, 'third')
    await clock.advance(HOUR_MS / 2)
    const done = await run()
    expect(done).toMatchObject({ floor: version, files: [{ path: `sample/${first.path}` }], bytes: 5 })
    expect(await dataFiles()).toEqual(['second', 'third'])
    expect([...(await table.snapshot({ version })).files.keys()]).toEqual([second.path])
    expect([...(await table.snapshot()).files.keys()]).toEqual([third.path])
    await expect(table.snapshot({ version: version - 1 })).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringMatching(/version 1 of sample is older than vacuum keeps.*version 2/),
    })
  })

  test('deletes files of commits that failed, once they are older than the retention', async () => {
    await upload('old')
    await clock.advance(1)
    await upload('young')
    await clock.advance(HOUR_MS - 1)
    await run()
    expect(await dataFiles()).toEqual(['young'])
  })

  test('keeps what was uploaded before the retention, but committed and removed within it', async () => {
    const file = await upload('slow')
    await clock.advance(2 * HOUR_MS)
    await commit('slow', { adds: [file] })
    const pinned = await table.snapshot()
    await replace(file, 'next')
    await run()
    expect([...pinned.files.keys()]).toEqual([file.path])
    expect(await dataFiles()).toEqual(['next', 'slow'])
  })

  test('commits nothing when there is nothing to delete, nor in a dry run, which lists it', async () => {
    expect(await run()).toMatchObject({ files: [] })
    await upload('orphan')
    await clock.advance(HOUR_MS)
    expect(await run({ dry_run: true })).toMatchObject({ files: [{ path: expect.stringContaining('orphan') }] })
    expect((await table.snapshot()).version).toBe(0)
    expect(await dataFiles()).toEqual(['orphan'])
  })

  test('refuses a retention that is too short', async () => {
    await expect(run({ retention_ms: HOUR_MS - 1 })).rejects.toMatchObject({ kind: 'invalid' })
    await expect(run({ retention_ms: 1, retention_min_ms: 1 })).resolves.toMatchObject({ files: [] })
  })

  test("deletes nothing when this machine's clock is ahead of the store's", async () => {
    await upload('orphan')
    const fast = new ManualClock(clock.now() + 2 * HOUR_MS)
    await expect(run({ clock: fast })).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await dataFiles()).toEqual(['orphan'])
  })

  test('a second one goes on where the first was ended, and never lowers the floor', async () => {
    await upload('orphan')
    await clock.advance(HOUR_MS)
    const broken = openHookedStore(store, {
      before: (operation) => (operation === 'delete' ? Promise.reject(new Error('killed')) : undefined),
    })
    await expect(run({ store: broken })).rejects.toThrow('killed')
    expect(await run({ retention_ms: 1_000 * HOUR_MS })).toMatchObject({ floor: 0, files: [] })
    expect(await run()).toMatchObject({ floor: 0, files: [{}] })
    expect(await dataFiles()).toEqual([])
  })
})

describe('a writer that slept longer than the retention', () => {
  /** Its file is uploaded under a base that is old by now; others have gone on. */
  async function sleeper(through: (plain: ObjectStore) => ObjectStore = (plain) => plain) {
    await commit('before', { adds: [await upload('before')] })
    const sleeping = reopenSample(through(store), clock)
    const base = await sleeping.snapshot()
    const file = await upload('slept')
    await clock.advance(HOUR_MS)
    await commit('after', { adds: [await upload('after')] })
    return async (): Promise<CommitOutcome> =>
      await sleeping.commit(await requestOn(table, 'slept', 'ingest', { base, adds: [file] }))
  }

  test('loses its commit to vacuum, and does it again', async () => {
    const wake = await sleeper()
    expect((await run()).files).toHaveLength(1)
    expect(await wake()).toMatchObject({ kind: 'conflict', reason: expect.stringContaining('the floor 1') })
    await expectWhole()
    expect(await commit('again', { adds: [await upload('again')] })).toMatchObject({ kind: 'committed' })
  })

  test.each(['before', 'after'] as const)('at whatever moment of a vacuum it wakes (%s an operation)', async (side) => {
    const outcomes = new Set<string>()
    for (let moment = 0, over = false; !over; moment++) {
      store = openMemoryStore({ clock })
      table = await createSample(store, clock)
      const wake = await sleeper()
      let operations = 0
      const strike = async () => {
        if (operations++ === moment) outcomes.add((await wake()).kind)
      }
      const hooked = openHookedStore(store, { [side]: strike })
      await vacuum({ store: hooked, table: reopenSample(hooked, clock), clock, random, retention_ms: HOUR_MS })
      over = operations <= moment
      await expectWhole()
    }
    expect(outcomes).toEqual(new Set(['committed', 'conflict']))
  })

  test.each(['before', 'after'] as const)(
    'at whatever moment of its commit vacuum runs (%s an operation)',
    async (side) => {
      const outcomes = new Set<string>()
      for (let moment = 0, over = false; !over; moment++) {
        store = openMemoryStore({ clock })
        table = await createSample(store, clock)
        let awake = false
        let operations = 0
        const strike = async () => {
          if (awake && operations++ === moment) await run()
        }
        const wake = await sleeper((plain) => openHookedStore(plain, { [side]: strike }))
        awake = true
        outcomes.add((await wake()).kind)
        over = operations <= moment
        await expectWhole()
      }
      expect(outcomes).toEqual(new Set(['committed', 'conflict']))
    },
  )
})

test('a live file of another engine whose name has an escape in it is not taken for one that nobody has', async () => {
  const file = sampleFile('x', {
    path: 'day=2026-11-24/bucket=a%3Ab/part-0.parquet',
    encodedPath: 'day=2026-11-24/bucket=a%253Ab/part-0.parquet',
  })
  await store.put(`sample/${file.path}`, Buffer.from('x'))
  await commit('foreign', { adds: [file] })
  await clock.advance(2 * HOUR_MS)
  expect((await run()).files).toEqual([])
  await expectWhole()
})
