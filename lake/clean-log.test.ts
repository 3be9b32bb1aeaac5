import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { plainCheckpoints } from '../sim/plain-checkpoints.ts'
import { type CleanLogOptions, cleanLog } from './clean-log.ts'
import type { CommitOutcome } from './commit.ts'
import { CHECKPOINT_INTERVAL } from './limits.ts'
import { checkpointPath, entryPath } from './log.ts'
import { openMemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import { openTable, type Table } from './table.ts'
import { openHookedStore } from './testing/hooked-store.ts'
import { commitUpTo, createSample, requestOn, sampleFile } from './testing/sample.ts'

const HOUR_MS = 3_600_000
const FIRST = 2 * CHECKPOINT_INTERVAL
let clock: ManualClock
let store: ObjectStore
let table: Table

/** The table as another process opens it. */
const another = (through = store) => openTable({ store: through, clock, checkpoints: plainCheckpoints }, 'sample')
const run = (more: Partial<CleanLogOptions> = {}) => cleanLog({ store, table, clock, retention_ms: HOUR_MS, ...more })

/** Three checkpoints, the last of them younger than the retention. */
async function setUp() {
  clock = new ManualClock()
  store = openMemoryStore({ clock })
  await createSample(store, clock)
  table = another()
  await commitUpTo(table, FIRST + 5)
  await clock.advance(HOUR_MS)
  await commitUpTo(table, 3 * CHECKPOINT_INTERVAL + 5)
}

beforeEach(setUp)

async function logNames(): Promise<string[]> {
  const names: string[] = []
  for await (const { path } of store.list('sample/_delta_log/0')) names.push(path.slice(path.lastIndexOf('/') + 1))
  for await (const { path } of store.list('sample/_delta_log')) names.push(path.slice(path.lastIndexOf('/') + 1))
  return names.filter((name) => name.startsWith('0'))
}

describe('clean-up of the log', () => {
  test('deletes what lies before the newest checkpoint that is old enough, in ascending order', async () => {
    const deleted: string[] = []
    const watched = openHookedStore(store, {
      before: (operation, path) => void (operation === 'delete' && deleted.push(path)),
    })
    const before = await table.snapshot()
    const done = await run({ store: watched })
    expect(done).toMatchObject({ first: FIRST })
    expect(deleted).toHaveLength(FIRST + 1)
    expect(deleted).toEqual(deleted.toSorted())
    expect(await logNames()).toContain(entryPath('', FIRST).slice('/_delta_log/'.length))
    const after = await another().snapshot()
    expect(after.files).toEqual(before.files)
    expect(after.txns).toEqual(before.txns)
    expect(await table.oldest()).toBe(FIRST)
    expect(await run()).toMatchObject({ first: FIRST, objects: [] })
    expect((await run({ retention_ms: 2 * HOUR_MS })).objects).toEqual([])
  })

  test('leaves every version within the retention, and says of older ones that they are gone', async () => {
    await run()
    for (const version of [FIRST, FIRST + 5, FIRST + 6]) {
      expect((await another().snapshot({ version })).files.size).toBe(version)
    }
    await expect(another().snapshot({ version: FIRST - 1 })).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringContaining('cleaned up'),
    })
    await expect(another().snapshot({ time_ms: 0 })).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringContaining(`its oldest is v${FIRST}`),
    })
    await expect(Array.fromAsync(another().history(0))).rejects.toMatchObject({ kind: 'missing' })
  })

  test('does nothing without a checkpoint that is old enough, and in a dry run only tells', async () => {
    expect(await run({ retention_ms: 2 * HOUR_MS })).toMatchObject({ first: 0, objects: [] })
    expect((await run({ dry_run: true })).objects).toHaveLength(FIRST + 1)
    expect(await table.oldest()).toBe(0)
  })

  test('refuses a retention that is too short', async () => {
    await expect(run({ retention_ms: HOUR_MS - 1 })).rejects.toMatchObject({ kind: 'invalid' })
  })

  test("deletes nothing when this machine's clock is ahead of the store's, by which all would be old enough", async () => {
    const fast = new ManualClock(clock.now() + HOUR_MS)
    const before = () => Promise.reject(new Error('nothing is kept for what is not deleted'))
    await expect(run({ clock: fast, before })).rejects.toMatchObject({
      ...{ kind: 'unavailable', message: expect.stringContaining('3600 s ahead of that of memory:') },
    })
    expect(await table.oldest()).toBe(0)
    expect((await run({ clock: fast, dry_run: true })).objects).not.toEqual([])
  })

  test('deletes nothing when what the entries tell cannot be kept, or the checkpoint says another thing', async () => {
    const before = () => Promise.reject(new Error('the disk is full'))
    await expect(run({ before })).rejects.toThrow('the disk is full')
    const bytes = Buffer.from(await store.get(checkpointPath('sample', FIRST))).toString()
    await store.put(checkpointPath('sample', FIRST), Buffer.from(bytes.replace('bucket=1/f7.', 'bucket=1/g7.')))
    await expect(run()).rejects.toMatchObject({ kind: 'corrupt' })
    expect(await table.oldest()).toBe(0)
  })

  test('takes a stray and the checkpoint of a sleeper for what they are', async () => {
    const [late, stray] = [checkpointPath('sample', CHECKPOINT_INTERVAL), entryPath('sample', CHECKPOINT_INTERVAL - 2)]
    const bodies = [await store.get(late), await store.get(stray)] as const
    await run()
    await store.put(late, bodies[0])
    await store.put(stray, bodies[1])
    expect((await run()).objects.map(({ path }) => path)).toEqual([stray, late])
  })

  test('keeps first, removes then; goes on where one was ended', async () => {
    const order: unknown[] = []
    const before = async (version: number) => void order.push(version)
    let left = CHECKPOINT_INTERVAL + 3
    const ending = openHookedStore(store, {
      before: (operation) => (operation === 'delete' && left-- === 0 ? Promise.reject(new Error('killed')) : undefined),
    })
    const removing = async (info: unknown) => void order.push(info)
    await expect(run({ store: ending, before, removing })).rejects.toThrow('killed')
    expect(order.slice(0, 3)).toMatchObject([FIRST, { kind: 'metadata' }, { id: 'c1', kind: 'ingest' }])
    expect((await another().snapshot()).files.size).toBe(3 * CHECKPOINT_INTERVAL + 5)
    expect(await run()).toMatchObject({ first: FIRST })
    expect(await table.oldest()).toBe(FIRST)
  })
})

test('a reader that clean-up overtakes is told so, and is not taken in by a stray', async () => {
  const [version, at] = [CHECKPOINT_INTERVAL + 3, entryPath('sample', CHECKPOINT_INTERVAL + 2)]
  for (const isStray of [false, true]) {
    await setUp()
    const stray = Buffer.from(
      Buffer.from(await store.get(at))
        .toString()
        .replace('f22', 'stray'),
    )
    let struck = false
    const overtaken = openHookedStore(store, {
      async before(operation, path) {
        if (operation !== 'get' || path !== at || struck) return
        struck = true
        await run()
        if (isStray) await store.put(at, stray)
      },
    })
    await expect(another(overtaken).snapshot({ version })).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringContaining('cleaned up'),
    })
  }
})

describe('a writer that slept through a clean-up', () => {
  const add = sampleFile('stray')
  const isEntryPut = (operation: string, path: string) => operation === 'put' && path.includes('_delta_log/0')

  /** A writer whose head is `version`, asleep before it puts the next; `wake` lets it. */
  async function sleeperAt(version: number, name = 'sleeper'): Promise<() => Promise<CommitOutcome>> {
    const behind = openMemoryStore({ clock })
    for await (const { path } of store.list('sample')) await behind.put(path, await store.get(path))
    for (let later = version + 1; later <= 3 * CHECKPOINT_INTERVAL + 5; later++) {
      await behind.delete(entryPath('sample', later))
      await behind.delete(checkpointPath('sample', later))
    }
    await behind.delete('sample/_delta_log/_last_checkpoint')
    let asleep = true
    // It has seen the table as it was; from its put on it meets the table as it is.
    const seeing = (): ObjectStore => (asleep ? behind : store)
    const hooked = openHookedStore(
      {
        url: 'memory:',
        get: (path, range) => seeing().get(path, range),
        head: (path) => seeing().head(path),
        put: (path, body, options) => seeing().put(path, body, options),
        list: (prefix, options) => seeing().list(prefix, options),
        delete: (path) => seeing().delete(path),
      },
      { before: (operation, path) => void (isEntryPut(operation, path) && (asleep = false)) },
    )
    const sleeping = another(hooked)
    const request = await requestOn(sleeping, name, 'ingest', {
      adds: [add],
      txns: [{ appId: name, expected: undefined, next: 1 }],
    })
    return () => sleeping.commit(request)
  }

  test('claims nothing, wherever it had stood, and no reader sees it', async () => {
    for (let version = 0; version < FIRST - 1; version++) {
      await setUp()
      const wake = await sleeperAt(version)
      await run()
      await expect(wake(), `at ${version}`).rejects.toMatchObject({ outcome: 'unknown' })
      expect((await another().snapshot()).files.has(add.path)).toBe(false)
    }
  })

  test('is not taken in by the stray of another that had slept', async () => {
    const first = await sleeperAt(10, 'first')
    const second = await sleeperAt(11, 'second')
    const third = await sleeperAt(11, 'third')
    await run()
    await clock.advance(1)
    await expect(first()).rejects.toMatchObject({ outcome: 'unknown' })
    expect(await store.head(entryPath('sample', 11))).toBeDefined()
    await expect(second()).rejects.toMatchObject({ outcome: 'unknown' })
    // It finds its version taken, and what stands before it another's than it knew.
    expect(await third()).toMatchObject({ kind: 'conflict', reason: expect.stringContaining('older than the log') })
    expect((await run()).objects.map(({ version }) => version)).toEqual([11, 12])
  })
})
