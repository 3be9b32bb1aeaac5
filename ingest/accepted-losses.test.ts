import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { acceptLoss } from './accept-loss.ts'
import { type Arrival, inAcceptedRange } from './accepted-losses.ts'
import type { EventLog } from './event-log.ts'
import { BUCKET_LOOK_MAX_MS } from './limits.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const random = seededRandom(3)
const LAYOUT = { epoch: 1, buckets: 4 }
const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const bucket = bucketOf('demo-01', 4)
const stream = { source: 'demo-01', boot: '1-1-00000001', stream: 'readings' }
const journal = (to: number) => new Map([['x', { ...stream, numbers: [[0, to]] as const }]])

let folder: string
let clock: ManualClock
let system: System
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-accepted-'))
  clock = new ManualClock(Date.UTC(2026, 9, 1, 12))
  system = await openSystem(folder, clock)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

/** A batch of one reading, from a hub that was promised all before it. */
async function send(...numbers: readonly number[]): Promise<void> {
  for (const first of numbers) {
    const batch = packed(batchOf([reading(1, first)], { first, acked: first }))
    expect(await system.gateway.receive(hub, batch, 'https')).toEqual({ kind: 'durable' })
  }
}
const accept = (log: EventLog) =>
  acceptLoss({ ...{ lake: system.lake, log, layout: LAYOUT, clock, random, bucket, by: 'anna' } })
async function drain(writer: System['writer']): Promise<void> {
  await clock.advance(BUCKET_LOOK_MAX_MS)
  while (await writer.commitOnce()) continue
}

/** The log, of which a record of the bucket is not of Hearth. */
function damaged(at: number): EventLog {
  const { log } = system
  return {
    ...log,
    async read(of, from, max) {
      const records = await log.read(of, from, max)
      const bad = of === bucket ? records.findIndex(({ position }) => position === at) : -1
      if (bad === 0) throw new Problem('corrupt', 'the record is not of Hearth')
      return bad < 0 ? records : records.slice(0, bad)
    },
  }
}

describe('a record that cannot be read', () => {
  test('is told by verify, which goes on; accepted it is counted as that, apart from what is lost', async () => {
    await send(0, 1, 2)
    const log = damaged(2)
    const writer = await system.openOne(undefined, { log })
    await drain(writer)
    const unreadable = [{ bucket, position: 2, reason: 'the record is not of Hearth' }]
    expect(await system.verify(journal(3), log)).toMatchObject({
      ...{ ok: false, unreadable, accepted: [], totals: { stored: 1, in_log: 1 } },
      acknowledged: { journal: 3, found: 2, missing: [{ numbers: [[1, 2]] }], accepted: [] },
    })
    await accept(log)
    await drain(writer)
    expect(await system.verify(journal(3), log)).toMatchObject({
      ...{ ok: true, unreadable: [], accepted: [{ bucket, from: 2, to: 3 }] },
      totals: { sent: 3, stored: 2, dropped: 0, accepted: 1, pending: 0, lost: 0, broken: 0 },
      streams: [{ accepted: [[1, 2]], missing: [] }],
      acknowledged: { journal: 3, found: 2, missing: [], accepted: [{ ...stream, numbers: [[1, 2]] }] },
    })
  })

  test('takes no blame for what was lost elsewhere in its bucket', async () => {
    // 1 is lost before it, and 5 after it.
    await send(0, 2, 3, 4, 6)
    const log = damaged(3)
    const writer = await system.openOne(undefined, { log })
    await drain(writer)
    await accept(log)
    await drain(writer)
    expect(await system.verify(journal(7), log)).toMatchObject({
      ...{ ok: false, totals: { sent: 7, stored: 4, accepted: 1, broken: 2 } },
      streams: [
        {
          accepted: [[3, 4]],
          broken_numbers: [
            [1, 2],
            [5, 6],
          ],
        },
      ],
      acknowledged: {
        missing: [
          {
            numbers: [
              [1, 2],
              [5, 6],
            ],
          },
        ],
        accepted: [{ numbers: [[3, 4]] }],
      },
    })
  })
})

describe('missing numbers lay in an accepted range', () => {
  const range = { log_id: 'a', bucket: 1, from: 5, to: 8, reason: '' }
  const open = { ...range, to: undefined, known_ms: 40 }
  const at = (first: number, position: number, change: Partial<Arrival> = {}): Arrival => ({
    ...{ first, next: first + 10, log_id: 'a', position, received_ms: position * 10, ...change },
  })
  const missing = [[10, 20]] as const
  const kept = [
    [0, 10],
    [20, 30],
  ] as const
  const later = { received_ms: 900 }
  test.each([
    ['between the batches before and after it', range, [at(0, 4), at(20, 8)], true],
    ['where no row tells of its neighbours any more', range, [], true],
    ['where the batch after it is of the next log', range, [at(0, 4), at(20, 1, { log_id: 'b', ...later })], true],
    ['not after a batch that came later', range, [at(0, 8), at(20, 9)], false],
    ['not before a batch that came earlier', range, [at(0, 3), at(20, 4)], false],
    ['not between two batches of another log', range, [at(0, 4, { log_id: 'b' }), at(20, 8, { log_id: 'b' })], false],
    ['by the first time that a neighbour came', range, [at(0, 4), at(0, 9), at(20, 8)], true],
    ['of a log that had ended, by the times of receipt', open, [at(0, 4), at(20, 2, later)], true],
    ['not when all came before it had ended', open, [at(0, 1), at(20, 3)], false],
    ['not when all came since', open, [at(0, 1, later), at(20, 2, later)], false],
  ])('%s', (_, of, arrivals, is) => {
    expect(inAcceptedRange(of, { missing, kept, arrivals })).toEqual(is ? missing : [])
  })
})
