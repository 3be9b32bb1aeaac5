import { describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { plainCheckpoints } from '../sim/plain-checkpoints.ts'
import { type AddFile, removeOf } from './action.ts'
import type { CheckpointCodec } from './checkpoint.ts'
import type { CommitRequest } from './commit.ts'
import { createLake, openLake } from './lake.ts'
import { CHECKPOINT_INTERVAL, LOG_ENTRY_MAX_BYTES } from './limits.ts'
import { checkpointPath, entryPath } from './log.ts'
import { openMemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import type { Table } from './table.ts'

const COLUMNS: readonly Column[] = [{ name: 'a', type: 'long', meaning: '' }]
const noCheckpoints: CheckpointCodec = {
  encode: () => Promise.reject(new Problem('unavailable', 'no checkpoints here')),
  decode: () => Promise.reject(new Problem('unavailable', 'no checkpoints here')),
}
const random = seededRandom(1)
const clock = new ManualClock()

async function setUp(checkpoints = noCheckpoints) {
  const store = openMemoryStore({ clock })
  const environment = { store, clock: machineClock, random, checkpoints }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 4 })
  await lake.createTable('t', { columns: COLUMNS, partition: [] })
  /** A process of its own: no state shared but the store, which `through` may disturb. */
  const another = async (through: (store: ObjectStore) => ObjectStore = (plain) => plain) =>
    (await openLake({ ...environment, store: through(store) })).table('t')
  return { store, another }
}

const add = (path: string): AddFile => ({ path, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true })

async function append(table: Table, path: string, more: Partial<CommitRequest> = {}) {
  const base = await table.snapshot()
  const request = {
    id: `id of ${path}`,
    kind: 'ingest',
    base,
    adds: [add(path)],
    removes: [],
    txns: [],
    info: {},
  } as const
  return await table.commit({ ...request, ...more })
}

/** Puts of log entries fail as `strike` says, before or after their effect; everything else goes through. */
function disturbed(strike: (path: string) => 'pass' | 'before' | 'after') {
  return (store: ObjectStore): ObjectStore => ({
    ...store,
    async put(path, body, options) {
      const how = path.includes('_delta_log/0') ? strike(path) : 'pass'
      const lost = new Problem('unavailable', 'no answer', { outcome: 'unknown' })
      if (how === 'before') throw lost
      await store.put(path, body, options)
      if (how === 'after') throw lost
    },
  })
}

function first(times: number, how: 'before' | 'after') {
  let left = times
  return () => (left-- > 0 ? how : 'pass')
}

describe('a commit', () => {
  test('of many writers at once: each is in the log once, and none is lost', async () => {
    const { another } = await setUp()
    const tables = await Promise.all(Array.from({ length: 4 }, () => another()))
    await Promise.all(
      tables.map(async (table, w) => {
        for (let i = 0; i < 10; i++) expect((await append(table, `w${w}-${i}`)).kind).toBe('committed')
      }),
    )
    const [reader] = [await another()]
    const { version, files } = await reader.snapshot()
    expect(version).toBe(40)
    expect(files.size).toBe(40)
    const ids = (await Array.fromAsync(reader.history(1))).map(({ info }) => info?.id)
    expect(new Set(ids).size).toBe(40)
  })

  test('whose answer was lost after its effect knows itself, and is not made twice', async () => {
    const { another } = await setUp()
    const table = await another(disturbed(first(1, 'after')))
    expect(await append(table, 'a')).toMatchObject({ kind: 'committed', version: 1 })
    expect((await (await another()).snapshot()).version).toBe(1)
  })

  test('whose put had no effect puts the same version again', async () => {
    const { another } = await setUp()
    const table = await another(disturbed(first(2, 'before')))
    expect(await append(table, 'a')).toMatchObject({ kind: 'committed', version: 1 })
  })

  test('that lost its answer to a rival takes the next version', async () => {
    const { another } = await setUp()
    const rival = await another()
    const table = await another((store) => ({
      ...disturbed(() => 'pass')(store),
      async put(path, body, options) {
        if (path === entryPath('t', 1)) {
          await append(rival, 'theirs')
          throw new Problem('unavailable', 'no answer', { outcome: 'unknown' })
        }
        await store.put(path, body, options)
      },
    }))
    expect(await append(table, 'mine')).toMatchObject({ kind: 'committed', version: 2 })
    expect([...(await rival.snapshot()).files.keys()]).toEqual(['theirs', 'mine'])
  })

  test('that is never answered says that its outcome is unknown', async () => {
    const { another } = await setUp()
    const table = await another(disturbed(() => 'before'))
    await expect(append(table, 'a')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  })

  test('that cannot find out whether it stands says that its outcome is unknown', async () => {
    const { another } = await setUp()
    let isPut = false
    const table = await another((store) => ({
      ...store,
      async put(path, body, options) {
        await store.put(path, body, options)
        isPut = true
      },
      get: (path, range) => (isPut ? Promise.reject(new Problem('unavailable', 'no answer')) : store.get(path, range)),
    }))
    await expect(append(table, 'a')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    expect((await (await another()).snapshot()).version).toBe(1)
  })

  test('whose answer was lost, and whose entry then may not be read, says that its outcome is unknown', async () => {
    const { another } = await setUp()
    let isPut = false
    const table = await another((store) => ({
      ...store,
      async put(path, body, options) {
        await store.put(path, body, options)
        isPut = true
        throw new Problem('unavailable', 'no answer', { outcome: 'unknown' })
      },
      get: (path, range) =>
        isPut ? Promise.reject(new Problem('unauthorized', 'access denied')) : store.get(path, range),
    }))
    await expect(append(table, 'a')).rejects.toMatchObject({
      ...{ kind: 'unavailable', outcome: 'unknown', message: expect.stringContaining('access denied') },
    })
    expect((await (await another()).snapshot()).files.has('a')).toBe(true)
  })

  test('that finds its version taken, and may not read it, did not happen', async () => {
    const { another } = await setUp()
    const rival = await another()
    let isTaken = false
    const table = await another((store) => ({
      ...store,
      async put(path, body, options) {
        await append(rival, 'theirs')
        isTaken = true
        await store.put(path, body, options)
      },
      get: (path, range) =>
        isTaken ? Promise.reject(new Problem('unauthorized', 'access denied')) : store.get(path, range),
    }))
    await expect(append(table, 'mine')).rejects.toMatchObject({ kind: 'unauthorized', outcome: 'did-not-happen' })
    expect([...(await rival.snapshot()).files.keys()]).toEqual(['theirs'])
  })

  test('whose entry is larger than a log entry may be did not happen, and the next one does', async () => {
    const { another } = await setUp()
    const table = await another()
    const info = { padding: 'x'.repeat(LOG_ENTRY_MAX_BYTES) }
    await expect(append(table, 'large', { info })).rejects.toMatchObject({
      kind: 'limit',
      outcome: 'did-not-happen',
      message: expect.stringContaining(`at most ${LOG_ENTRY_MAX_BYTES} bytes`),
    })
    expect(await append(table, 'small')).toMatchObject({ kind: 'committed', version: 1 })
  })

  test('that a full disk refuses did not happen', async () => {
    const { another } = await setUp()
    const table = await another((store) => ({
      ...store,
      put: () => Promise.reject(new Problem('unavailable', 'the disk is full')),
    }))
    await expect(append(table, 'a')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  })

  test('onto a version that clean-up had removed claims nothing, and no reader sees it', async () => {
    const { store, another } = await setUp(plainCheckpoints)
    const rival = await another()
    await append(rival, 'f1')
    const sleeper = await another((plain) => ({
      ...plain,
      async put(path, body, options) {
        // While it slept before its put of version 2, others went on, and the log below the checkpoint was cleaned up.
        for (let i = 2; i <= CHECKPOINT_INTERVAL + 1; i++) await append(rival, `f${i}`)
        for (let i = 0; i < CHECKPOINT_INTERVAL; i++) await store.delete(entryPath('t', i))
        await plain.put(path, body, options)
      },
    }))
    await expect(append(sleeper, 'stray')).rejects.toMatchObject({ outcome: 'unknown' })
    for (const reader of [rival, sleeper, await another()]) {
      const { version, files } = await reader.snapshot()
      expect(version).toBe(CHECKPOINT_INTERVAL + 1)
      expect(files.has('stray')).toBe(false)
    }
  })

  test('that was cleaned up before its answer came is not said to have failed', async () => {
    for (const answer of ['late', 'lost', 'late, and what was before it put again']) {
      const { store, another } = await setUp(plainCheckpoints)
      const rival = await another()
      await append(rival, 'f1')
      let struck = false
      const sleeper = await another((plain) => ({
        ...plain,
        async put(path, body, options) {
          await plain.put(path, body, options)
          if (struck || !path.includes('_delta_log/0') || !(body instanceof Uint8Array)) return
          struck = true
          for (let i = 3; i <= CHECKPOINT_INTERVAL + 1; i++) await append(rival, `f${i}`)
          const before = await store.get(entryPath('t', 1))
          for (let i = 0; i < CHECKPOINT_INTERVAL; i++) await store.delete(entryPath('t', i))
          if (answer.includes('again')) await store.put(entryPath('t', 1), before)
          if (answer !== 'lost') return
          // Another that had slept puts its entry where this one was.
          await plain.put(path, Buffer.from(Buffer.from(body).toString().replace('id of kept', 'stray')))
          throw new Problem('unavailable', 'no answer', { outcome: 'unknown' })
        },
      }))
      await expect(append(sleeper, 'kept')).rejects.toMatchObject({ outcome: 'unknown' })
      expect((await sleeper.snapshot()).files.has('kept')).toBe(true)
    }
  })

  test('a reader that slept past clean-up does not take a stray for the next version', async () => {
    const { store, another } = await setUp(plainCheckpoints)
    const [rival, sleeper] = [await another(), await another()]
    await append(rival, 'f1')
    expect((await sleeper.snapshot()).version).toBe(1)
    for (let i = 2; i <= CHECKPOINT_INTERVAL + 1; i++) await append(rival, `f${i}`)
    const stray = await store.get(entryPath('t', 3))
    for (let i = 0; i < CHECKPOINT_INTERVAL; i++) await store.delete(entryPath('t', i))
    await store.put(entryPath('t', 2), stray)
    expect((await sleeper.snapshot()).version).toBe(CHECKPOINT_INTERVAL + 1)
    expect((await sleeper.snapshot()).files.size).toBe(CHECKPOINT_INTERVAL + 1)
  })

  test('of a replace fails when its file is gone, and tells why', async () => {
    const { another } = await setUp()
    const [table, rival] = [await another(), await another()]
    await append(table, 'old')
    const base = await table.snapshot()
    const removes = [removeOf(add('old'))]
    expect((await append(rival, 'theirs', { kind: 'replace', removes })).kind).toBe('committed')
    const late = await append(table, 'mine', { kind: 'replace', base, removes })
    expect(late).toMatchObject({ kind: 'conflict', reason: expect.stringContaining('old') })
    expect([...(await table.snapshot()).files.keys()]).toEqual(['theirs'])
  })

  test('has a time later than the one before, whatever the clock says', async () => {
    const { another } = await setUp()
    const table = await another()
    await append(table, 'a')
    await append(table, 'b')
    await append(table, 'c')
    const times = (await Array.fromAsync(table.history(0))).map(({ timestamp_ms }) => timestamp_ms)
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b))
  })

  test('stands when its checkpoint cannot be written', async () => {
    const { another } = await setUp()
    const table = await another()
    for (let i = 1; i <= CHECKPOINT_INTERVAL + 1; i++) {
      expect(await append(table, `f${i}`)).toMatchObject({ kind: 'committed', version: i })
    }
  })

  test('is not tried once its signal has aborted', async () => {
    const { another } = await setUp()
    const table = await another()
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(append(table, 'a', { signal })).rejects.toThrow('enough')
    expect((await table.snapshot()).version).toBe(0)
  })
})

describe('a reader', () => {
  test('with nothing new reads two entries and looks at one, whatever the length of the log', async () => {
    const { another } = await setUp()
    const operations: string[] = []
    const table = await another((store) => ({
      ...store,
      get: (path, range) => (operations.push('get'), store.get(path, range)),
      head: (path) => (operations.push('head'), store.head(path)),
      list: (prefix, options) => (operations.push('list'), store.list(prefix, options)),
    }))
    for (let i = 0; i < 30; i++) await append(table, `f${i}`)
    operations.length = 0
    const [one, two] = [await table.snapshot(), await table.snapshot()]
    expect(operations).toEqual(['get', 'get', 'head', 'get', 'get', 'head'])
    expect(one).toBe(two)
  })

  test('whom clean-up overtakes while it reads begins again from the newer checkpoint', async () => {
    const { store, another } = await setUp(plainCheckpoints)
    const rival = await another()
    for (let i = 1; i <= CHECKPOINT_INTERVAL + 1; i++) await append(rival, `f${i}`)
    let isOvertaken = false
    const reader = await another((plain) => ({
      ...plain,
      async get(path, range) {
        if (path === checkpointPath('t', CHECKPOINT_INTERVAL) && !isOvertaken) {
          isOvertaken = true
          for (let i = 2; i <= CHECKPOINT_INTERVAL + 1; i++) await append(rival, `g${i}`)
          await store.delete(path)
          for (let i = 0; i < 2 * CHECKPOINT_INTERVAL; i++) await store.delete(entryPath('t', i))
        }
        return await plain.get(path, range)
      },
    }))
    expect((await reader.snapshot()).version).toBe(2 * CHECKPOINT_INTERVAL + 1)
    expect(isOvertaken).toBe(true)
  })

  test('names a hole in the log', async () => {
    const { store, another } = await setUp()
    const table = await another()
    for (let i = 0; i < 4; i++) await append(table, `f${i}`)
    await store.delete(entryPath('t', 2))
    const fresh = await another()
    await expect(fresh.snapshot()).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('2') })
  })
})
