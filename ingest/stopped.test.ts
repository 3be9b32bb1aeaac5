import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { Problem, type ProblemKind } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { Lake } from '../lake/lake.ts'
import { openQuery } from '../lake/query.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { type AcceptLossOptions, acceptLoss } from './accept-loss.ts'
import type { EventLog } from './event-log.ts'
import { BUCKET_LOOK_FIRST_MS, BUCKET_LOOK_MAX_MS } from './limits.ts'
import { recordedGaps, recordLoss } from './losses.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const random = seededRandom(3)
const LAYOUT = { epoch: 1, buckets: 4 }
const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const bucket = bucketOf('demo-01', 4)
const neighbour: Identity = {
  ...hub,
  source: Array.from({ length: 40 }, (_, i) => `hub-${i}`).find((id) => bucketOf(id, 4) !== bucket) ?? '',
}

let folder: string
let clock: ManualClock
let system: System
let next: Map<Identity, number>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-stopped-'))
  clock = new ManualClock(Date.UTC(2026, 9, 1, 12))
  system = await openSystem(folder, clock)
  next = new Map()
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

/** A reading for each value. */
async function send(identity: Identity, ...values: readonly number[]): Promise<void> {
  for (const value of values) {
    const first = next.get(identity) ?? 0
    next.set(identity, first + 1)
    const batch = packed(batchOf([reading(1, value)], { first }))
    expect(await system.gateway.receive(identity, batch, 'https')).toEqual({ kind: 'durable' })
  }
}
const values = async (identity: Identity) =>
  (
    await system.rows(`SELECT value FROM events WHERE kind = 'reading' AND hub_id = '${identity.source}' ORDER BY ALL`)
  ).map(({ value }) => Number(value))
const facts = (kind: string) => system.facts.filter((fact) => fact.kind === kind)
const drain = async (writer: System['writer']) => {
  while (await writer.commitOnce()) continue
}
const stoppedOf = (writer: System['writer']) =>
  writer.buckets().flatMap((one) => (one.stopped === undefined ? [] : [[one.bucket, one.stopped]]))

/** The log, of which one bucket fails from a position on while `fault` is set. */
function failing(fault: { kind: ProblemKind | undefined; at: number }): EventLog {
  const { log } = system
  const problem = () => new Problem(fault.kind ?? 'internal', 'the record is not of Hearth')
  return {
    ...log,
    async read(of, from, max) {
      const records = await log.read(of, from, max)
      if (of !== bucket || fault.kind === undefined || from > fault.at) return records
      const good = records.filter(({ position }) => position < fault.at)
      if (good.length === 0 && records.some(({ position }) => position === fault.at)) throw problem()
      return good
    },
    bounds(of) {
      if (of === bucket && fault.kind === 'unavailable') return Promise.reject(problem())
      return log.bounds(of)
    },
  }
}

describe('a bucket with a record that cannot be read', () => {
  test('is stopped there, with all before it in the table, and the others go on', async () => {
    await send(hub, 1, 2, 3)
    await send(neighbour, 7)
    const writer = await system.openOne(undefined, { log: failing({ kind: 'corrupt', at: 3 }) })
    await drain(writer)
    expect([await values(hub), await values(neighbour)]).toEqual([[1, 2], [7]])
    expect(stoppedOf(writer)).toEqual([[bucket, 'it cannot be read: the record is not of Hearth']])
    expect(facts('unreadable')).toMatchObject([{ bucket, cause: 'corrupt', delay_ms: BUCKET_LOOK_FIRST_MS }])
    await send(neighbour, 8)
    await drain(writer)
    expect(await values(neighbour)).toEqual([7, 8])
  })

  test('is tried again by itself, less and less often, and goes on once it can be read', async () => {
    await send(hub, 1)
    const fault: Parameters<typeof failing>[0] = { kind: 'corrupt', at: 1 }
    const writer = await system.openOne(undefined, { log: failing(fault) })
    for (let i = 0; i < 9; i++) {
      await drain(writer)
      await clock.advance(BUCKET_LOOK_MAX_MS)
    }
    const delays = facts('unreadable').map((fact) => 'delay_ms' in fact && fact.delay_ms)
    expect(delays.slice(0, 3)).toEqual([1_000, 2_000, 4_000])
    expect(delays.at(-1)).toBe(BUCKET_LOOK_MAX_MS)
    expect(facts('resumed')).toEqual([])
    fault.kind = undefined
    await drain(writer)
    expect([await values(hub), stoppedOf(writer)]).toEqual([[1], []])
    expect(facts('resumed')).toMatchObject([{ bucket }])
  })

  test('goes on after it once somebody gave it up', async () => {
    await send(hub, 1, 2, 3)
    const log = failing({ kind: 'corrupt', at: 2 })
    const writer = await system.openOne(undefined, { log })
    await drain(writer)
    expect(await accept({ log })).toMatchObject({ next: 3, loss: { kind: 'accepted', table_position: 1 } })
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect([await values(hub), stoppedOf(writer)]).toEqual([[1, 3], []])
    expect(await system.verify()).toMatchObject({ totals: { stored: 2 } })
  })
})

test('a bucket that cannot be reached is left alone, and the others go on; when none can be, the attempt fails', async () => {
  await send(hub, 1)
  await send(neighbour, 7)
  const fault: Parameters<typeof failing>[0] = { kind: undefined, at: 0 }
  const writer = await system.openOne(undefined, { log: failing(fault) })
  fault.kind = 'unavailable'
  const other = await system.openOne(undefined, { log: failing(fault) })
  await drain(other)
  expect([await values(hub), await values(neighbour)]).toEqual([[], [7]])
  expect(stoppedOf(other)).toMatchObject([
    [bucket, expect.stringMatching(/^it cannot be reached, and is tried again by itself: /)],
  ])
  const none = { ...system.log, bounds: () => Promise.reject(new Problem('unavailable', 'no broker')) }
  await expect(system.openOne(undefined, { log: none })).rejects.toMatchObject({ kind: 'unavailable' })
  fault.kind = undefined
  await drain(writer)
  expect(await values(hub)).toEqual([1])
})

const accept = (change: Partial<Pick<AcceptLossOptions, 'lake' | 'log' | 'bucket' | 'dry_run'>> = {}) =>
  acceptLoss({
    ...{ lake: system.lake, log: system.log, layout: LAYOUT, clock, random },
    ...{ bucket, by: 'anna', ...change },
  })
/** A writer that keeps its losses in the table, as that of a process does. */
const openKeeping = (log: EventLog = system.log) =>
  system.openOne(undefined, {
    log,
    recordLoss: (loss) => recordLoss({ lake: system.lake, clock, random }, loss),
    recordedGaps: () => recordedGaps(system.lake, { log_id: log.id, epoch: 1 }),
  })
/** The lake, of which one table that is there takes no commit. */
const failingCommits = (name: string): Lake => ({
  ...system.lake,
  async table(asked) {
    const table = await system.lake.table(asked)
    if (asked !== name) return table
    return { ...table, commit: () => Promise.reject(new Problem('unavailable', 'the store is away')) }
  },
})
const lossRows = async () => {
  await using query = await openQuery({ lake: system.lake, clock })
  return (await query.run('SELECT kind, bucket, table_position, reason FROM losses ORDER BY time, kind DESC')).rows
}

describe('a bucket whose log begins after the table', () => {
  test('goes on from the first position of the log once its loss is accepted, with no new start; the row says by whom', async () => {
    await send(hub, 1, 2, 3)
    await system.log.trim(bucket, 3)
    const writer = await openKeeping()
    await drain(writer)
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect(await values(hub)).toEqual([])
    expect(await accept({ dry_run: true })).toMatchObject({ next: 3 })
    expect((await lossRows()).map(([kind]) => kind)).toEqual(['gap'])
    const stopped = [{ bucket, reason: expect.stringMatching(/^the log begins at 3/) }]
    expect(await system.verify()).toMatchObject({ ok: false, stopped, left_logs: [], accepted: [] })
    await accept()
    expect(await system.verify()).toMatchObject({ ok: true, stopped: [], accepted: [{ bucket }] })
    const what = 'positions 1 to 2 are lost, and the bucket goes on from 3: the log begins at 3'
    expect(await lossRows()).toEqual([
      ['gap', bucket, '0', expect.stringMatching(/^the log begins at 3/)],
      ['accepted', bucket, '0', expect.stringMatching(`^anna accepted that ${what}`)],
    ])
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect([await values(hub), stoppedOf(writer)]).toEqual([[3], []])
    await expect(accept()).rejects.toThrow(/has nothing to give up: its log is empty, follows on position 3/)
    await expect(accept({ bucket: 4 })).rejects.toThrow(/the lake has the buckets 0 to 3/)
    // A second one of the same bucket is told too.
    await send(hub, 4, 5)
    await system.log.trim(bucket, 5)
    await drain(writer)
    await drain(writer)
    expect((await lossRows()).map(([kind]) => kind)).toEqual(['gap', 'accepted', 'gap'])
  })
})

describe('a bucket whose log ends before the table', () => {
  /** As if the log had lost what it held from `from` on: other records have come under these numbers since. */
  function shortened(state: { lost: number }): EventLog {
    const { log } = system
    const shift = (of: number) => (of === bucket ? state.lost : 0)
    return {
      ...log,
      bounds: async (of) => {
        const { first, next } = await log.bounds(of)
        return { first: Math.max(1, first - shift(of)), next: next - shift(of) }
      },
      read: async (of, from, max) =>
        (await log.read(of, from + shift(of), max)).map((one) => ({ ...one, position: one.position - shift(of) })),
      trim: (of, to) => log.trim(of, to + shift(of)),
    }
  }

  test('stays stopped when it has grown past the table, after a new start too, and is read from its start once accepted', async () => {
    await send(hub, 1, 2, 3)
    await drain(system.writer)
    const state = { lost: 3 }
    const log = shortened(state)
    const writer = await openKeeping(log)
    expect(stoppedOf(writer)).toMatchObject([[bucket, expect.stringMatching(/the log ends at 0/)]])
    await send(hub, 4, 5, 6, 7)
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    const again = await openKeeping(log)
    await drain(again)
    expect(await values(hub)).toEqual([1, 2, 3])
    expect(stoppedOf(again)).toMatchObject([[bucket, expect.stringMatching(/may be other records/)]])
    expect(await accept({ log })).toMatchObject({ next: 1 })
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(again)
    expect(await values(hub)).toEqual([1, 2, 3, 4, 5, 6, 7])
    const last = await openKeeping(log)
    expect(stoppedOf(last)).toEqual([])
  })

  test('goes on with no new start where it now begins right after the table', async () => {
    await send(hub, 1, 2, 3)
    await drain(system.writer)
    const log = shortened({ lost: 3 })
    const writer = await openKeeping(log)
    await send(hub, 4, 5, 6, 7)
    await log.trim(bucket, 4)
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect(await values(hub)).toEqual([1, 2, 3])
    expect(await accept({ log })).toMatchObject({ next: 4 })
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect([await values(hub), stoppedOf(writer)]).toEqual([[1, 2, 3, 7], []])
  })

  test('stays stopped when accepting it fails before the table has moved, and goes on once it is accepted again', async () => {
    await send(hub, 1, 2, 3)
    await drain(system.writer)
    const log = shortened({ lost: 3 })
    await openKeeping(log)
    await send(hub, 4, 5, 6, 7)
    await expect(accept({ log, lake: failingCommits('events') })).rejects.toMatchObject({ kind: 'unavailable' })
    const writer = await openKeeping(log)
    await drain(writer)
    expect(stoppedOf(writer)).toMatchObject([[bucket, expect.stringMatching(/may be other records/)]])
    expect(await values(hub)).toEqual([1, 2, 3])
    expect(await accept({ log })).toMatchObject({ next: 1 })
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect([await values(hub), stoppedOf(writer)]).toEqual([[1, 2, 3, 4, 5, 6, 7], []])
    // Twice somebody said so.
    expect((await lossRows()).map(([kind]) => kind)).toEqual(['gap', 'accepted', 'accepted'])
  })

  test('goes on when accepting it fails once the table has moved; accepting again closes the gap', async () => {
    await send(hub, 1, 2, 3)
    await drain(system.writer)
    const log = shortened({ lost: 3 })
    const writer = await openKeeping(log)
    await send(hub, 4, 5, 6)
    await expect(accept({ log, lake: failingCommits('losses') })).rejects.toMatchObject({ kind: 'unavailable' })
    await expect(accept({ log })).rejects.toThrow(/has nothing to give up/)
    await clock.advance(BUCKET_LOOK_MAX_MS)
    await drain(writer)
    expect(await values(hub)).toEqual([1, 2, 3, 4, 5, 6])
    // The table is again where the gap was found.
    expect(writer.buckets()[bucket]).toMatchObject({ position: 3 })
    expect(stoppedOf(await openKeeping(log))).toEqual([])
  })
})

describe('a log that another takes the place of', () => {
  /** The log of the system, then an empty one of another id. */
  function replaceable() {
    const state = { replaced: false, known: true }
    const { log } = system
    return {
      state,
      log: {
        ...log,
        get id() {
          return state.replaced && state.known ? 'another' : log.id
        },
        identify: async () => void (state.known = true),
        bounds: async (of: number) => (state.replaced ? { first: 1, next: 1 } : await log.bounds(of)),
        async read(of: number, from: number, max: number) {
          if (!state.known) throw new Problem('conflict', 'the topic was made anew')
          return state.replaced ? [] : await log.read(of, from, max)
        },
      },
    }
  }
  const replacedRows = async () =>
    (await lossRows())
      .filter(([kind, of]) => kind === 'replaced' && of === bucket)
      .map(([, , at, reason]) => [at, reason])

  test('is told though the table has read nothing of it, by a writer that knew it', async () => {
    const { state, log } = replaceable()
    const writer = await openKeeping(log)
    await send(hub, 1, 2)
    Object.assign(state, { replaced: true, known: false })
    await expect(writer.commitOnce()).rejects.toMatchObject({ kind: 'conflict' })
    await drain(writer)
    const reason = 'log another took its place; whatever it held past 0 is not in the table and will not come'
    expect(await replacedRows()).toEqual([['0', reason]])
    expect(facts('replaced')).toHaveLength(4)
    // Once, whoever looks again.
    await drain(await openKeeping(log))
    expect(await replacedRows()).toHaveLength(1)
  })
})
