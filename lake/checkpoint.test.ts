import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import { type AddFile, removeOf } from './action.ts'
import { CHECKPOINT_INTERVAL } from './limits.ts'
import { checkpointPath, entryPath, hintPath } from './log.ts'
import { openMemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import { parquetCheckpoints } from './parquet-checkpoint.ts'
import type { Snapshot } from './snapshot.ts'
import { openTable, type Table } from './table.ts'
import { type Hooks, openHookedStore } from './testing/hooked-store.ts'
import { commitUpTo, createSample, reopenSample, requestOn, sampleFile } from './testing/sample.ts'

let clock: ManualClock
let inner: ObjectStore
let hooks: Hooks
let store: ObjectStore
let table: Table

beforeEach(async () => {
  clock = new ManualClock()
  inner = openMemoryStore({ clock })
  hooks = {}
  store = openHookedStore(inner, hooks)
  table = await createSample(store, clock)
})

const fresh = () => reopenSample(store, clock)
const hint = async () => JSON.parse(Buffer.from(await store.get(hintPath('sample'))).toString())

describe('a checkpoint', () => {
  test(`is written at every ${CHECKPOINT_INTERVAL}th version, beside the log entry, and the hint names it`, async () => {
    await commitUpTo(table, 2 * CHECKPOINT_INTERVAL + 1)
    const { size_bytes } = (await store.head(checkpointPath('sample', 40))) ?? { size_bytes: 0 }
    expect(await store.head(checkpointPath('sample', 20))).toBeDefined()
    expect(await store.head(checkpointPath('sample', 41))).toBeUndefined()
    expect(await store.head(entryPath('sample', 40))).toBeDefined()
    // 40 files, 1 txn, protocol, metaData.
    expect(await hint()).toEqual({ version: 40, size: 43, sizeInBytes: size_bytes, numOfAddFiles: 40 })
  })

  test('of a large table waits until the entries name a twentieth of its files, whoever wrote them', async () => {
    let made = 0
    const append = async (on: Table, count: number) => {
      const adds = Array.from({ length: count }, () => sampleFile(`f${made++}`))
      await on.commit(await requestOn(on, `c${made}`, 'ingest', { adds }))
    }
    const upTo = async (on: Table, version: number) => {
      while ((await on.snapshot()).version < version) await append(on, 1)
    }
    await append(table, 500)
    await upTo(table, 40)
    // 20 files since, of 519.
    expect((await hint()).version).toBe(20)
    const other = fresh()
    await append(other, 8)
    await upTo(table, 59)
    await append(other, 1)
    expect(await hint()).toMatchObject({ version: 60, numOfAddFiles: made })
    expect(await store.head(checkpointPath('sample', 40))).toBeUndefined()
    await upTo(table, 80)
    expect((await hint()).version).toBe(60)
    expect((await fresh().snapshot()).files.size).toBe(made)
  })

  test('gives another process the very snapshot: tags, txns, tombstones, schema, configuration, time', async () => {
    await commitUpTo(table, 18)
    const gone = [...(await table.snapshot()).files.values()].slice(0, 3)
    clock.jump(5000)
    await table.commit(await requestOn(table, 'r', 'replace', { removes: gone.map((add) => removeOf(add)) }))
    await commitUpTo(table, 19)
    await table.commit(await requestOn(table, 'last', 'compact', { adds: [sampleFile('last')] }))
    const whole = await table.snapshot()
    expect(whole.version).toBe(20)
    for (let version = 0; version < 20; version++) await inner.delete(entryPath('sample', version))
    expect(plain(await fresh().snapshot())).toEqual(plain(whole))
  })

  test('spares a reader the log before it', async () => {
    await commitUpTo(table, 22)
    const read: string[] = []
    hooks.before = (operation, path) => void (operation === 'get' && read.push(path.split('/').at(-1) ?? ''))
    await fresh().snapshot()
    const entry = (version: number) => entryPath('', version).split('/').at(-1)
    // That of version 20 tells its time, and then that clean-up has not passed it; that of version 23 is not there.
    const entries = [entry(20), entry(21), entry(22), entry(23), entry(20)]
    expect(read.filter((name) => name.endsWith('.json'))).toEqual(entries)
  })

  test.each([0, 1, 19, 20, 21, 39, 40, 41])('lets version %i be read as it was', async (version) => {
    await commitUpTo(table, version)
    const then = await table.snapshot()
    await commitUpTo(table, 41)
    expect(plain(await fresh().snapshot({ version }))).toEqual(plain(then))
    if (version < 41) expect((await fresh().snapshot({ time_ms: then.timestamp_ms })).version).toBe(version)
  })

  test('below which entries were cleaned up: the newest reads, an older version is missing and not wrong', async () => {
    await commitUpTo(table, 25)
    for (let version = 0; version < 20; version++) await inner.delete(entryPath('sample', version))
    expect((await fresh().snapshot()).files.size).toBe(25)
    expect((await fresh().snapshot({ version: 21 })).files.size).toBe(21)
    await expect(fresh().snapshot({ version: 12 })).rejects.toMatchObject({ kind: 'missing' })
  })

  test('with a gap after it is a corrupt table', async () => {
    await commitUpTo(table, 24)
    await inner.delete(entryPath('sample', 22))
    await expect(fresh().snapshot()).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('log version 22 is missing'),
    })
  })

  const damage = async (version: number) => {
    const path = checkpointPath('sample', version)
    const bytes = await inner.get(path)
    await inner.put(path, bytes.subarray(0, bytes.length - 100))
    return path
  }

  test.each([[[40]], [[20, 40]]])(
    '%j that are damaged are done without: what is before them says the same',
    async (versions) => {
      await commitUpTo(table, 43)
      for (const version of versions) await damage(version)
      expect(plain(await fresh().snapshot())).toEqual(plain(await table.snapshot()))
      expect((await fresh().snapshot({ version: 41 })).files.size).toBe(41)
    },
  )

  test('that is damaged is corrupt, and says which file, where the log before it was cleaned up', async () => {
    await commitUpTo(table, 20)
    const path = await damage(20)
    for (let version = 0; version < 20; version++) await inner.delete(entryPath('sample', version))
    await expect(fresh().snapshot()).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining(path) })
  })
})

test('a temporary folder that cannot be used makes no checkpoint corrupt', async () => {
  await commitUpTo(table, 20)
  vi.stubEnv('TMPDIR', '/dev/null/nowhere')
  try {
    await expect(fresh().snapshot()).rejects.toMatchObject({ kind: 'unavailable' })
  } finally {
    vi.unstubAllEnvs()
  }
})

describe('the hint is only a hint', () => {
  beforeEach(() => commitUpTo(table, 41))
  test.each([
    ['absent', undefined],
    ['torn', '{"vers'],
    ['no object', '7'],
    ['without a version', '{}'],
    ['of a wrong type', '{"version":"forty"}'],
    ['negative', '{"version":-3}'],
    ['stale', '{"version":20}'],
    ['of a version without a checkpoint', '{"version":33}'],
    ['beyond the log', '{"version":1000}'],
  ])('%s, it changes nothing', async (_, text) => {
    if (text === undefined) await inner.delete(hintPath('sample'))
    else await inner.put(hintPath('sample'), Buffer.from(text))
    expect(plain(await fresh().snapshot())).toEqual(plain(await table.snapshot()))
  })
})

describe('a checkpoint that cannot be written', () => {
  test('leaves its commit committed, and is made up for by the next one', async () => {
    await commitUpTo(table, 19)
    hooks.before = (operation, path) => {
      if (operation === 'put' && path.includes('.checkpoint.')) throw new Problem('unavailable', 'the disk is full')
    }
    await commitUpTo(table, 20)
    expect(await store.head(checkpointPath('sample', 20))).toBeUndefined()
    hooks.before = () => undefined
    await commitUpTo(table, 22)
    expect(await store.head(checkpointPath('sample', 21))).toBeDefined()
    expect(await store.head(checkpointPath('sample', 22))).toBeUndefined()
    expect(plain(await fresh().snapshot())).toEqual(plain(await table.snapshot()))
  })

  test('because it cannot even be made (the codec fails): the commit stands', async () => {
    await commitUpTo(table, 19)
    const failing = { encode: () => Promise.reject(new Error('no space')), decode: parquetCheckpoints.decode }
    const other = openTable({ store, clock, checkpoints: failing }, 'sample')
    expect(await other.commit(await requestOn(other, 'x', 'ingest'))).toMatchObject({ kind: 'committed', version: 20 })
    expect(await store.head(checkpointPath('sample', 20))).toBeUndefined()
  })

  test('because it was written by another: theirs is as good', async () => {
    await commitUpTo(table, 19)
    hooks.before = async (operation, path) => {
      if (operation === 'put' && path.includes('.checkpoint.')) throw new Problem('conflict', 'taken')
    }
    await commitUpTo(table, 20)
    expect((await hint()).version).toBe(20)
  })
})

test('any snapshot comes back from Parquet as it went in', async () => {
  const base = await table.snapshot()
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom('', "'", '"', '\n', '\\', 'null'),
  )
  const file: fc.Arbitrary<AddFile> = fc.record(
    {
      path: fc.stringMatching(/^[a-z0-9=]{1,12}$/),
      partitionValues: fc.dictionary(text, fc.option(text), { maxKeys: 3, noNullPrototype: true }),
      size: fc.maxSafeNat(),
      modificationTime: fc.maxSafeNat(),
      dataChange: fc.constant(false),
      stats: text,
      tags: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
    },
    { requiredKeys: ['path', 'partitionValues', 'size', 'modificationTime', 'dataChange'] },
  )
  const txns = fc.uniqueArray(fc.tuple(text, fc.maxSafeNat()), { selector: ([appId]) => appId, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(file, { maxLength: 6 }),
      fc.array(file, { maxLength: 3 }),
      txns,
      async (adds, gone, ids) => {
        const snapshot: Snapshot = {
          ...base,
          files: new Map(adds.map((add) => [add.path, add])),
          removed: new Map(gone.map((add) => [add.path, removeOf(add, { dataChange: false })])),
          txns: new Map(ids),
        }
        const back = await parquetCheckpoints.decode(base.version, await parquetCheckpoints.encode(snapshot))
        expect(plain({ ...back, timestamp_ms: 0 })).toEqual(plain({ ...snapshot, timestamp_ms: 0 }))
      },
    ),
    { numRuns: 15 },
  )
})

/** Without what a checkpoint does not keep: whether an action changed data is told by the log entry alone. */
function plain(snapshot: Snapshot) {
  const kept = <T extends object>(files: ReadonlyMap<string, T>) =>
    new Map([...files].map(([path, file]) => [path, { ...file, dataChange: false }]))
  return { ...snapshot, files: kept(snapshot.files), removed: kept(snapshot.removed) }
}
