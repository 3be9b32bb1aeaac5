import { expect, test } from 'vitest'
import { bucketOf, serviceStream } from '../contract/bucket.ts'
import type { EncoderBatch } from './encoder.ts'
import { beginAttempt } from './event-attempt.ts'
import { planEvents } from './event-plan.ts'
import { openEventRows } from './event-rows.ts'

const BUCKETS = 4
const bucket = bucketOf('demo-01', BUCKETS)
const DAY_MS = 86_400_000
const RECEIVED_MS = 1_764_000_000_000

/** What a service tells of a hub, in the batch of a position. */
function batchOf(position: number, events: readonly object[]): EncoderBatch {
  const said = events.map((event) => `${JSON.stringify({ m: 0, kind: 'registry', hub: 'demo-01', ...event })}\n`)
  const about = {
    boot: '1-1-00000001',
    stream: serviceStream(1, bucket),
    first: 0,
    next: said.length,
    acked: 0,
    now: 0,
  }
  const more = { wall: RECEIVED_MS, firmware: '', agent: '', dropped: [], crc: '00000000', previous: [] }
  return {
    ...{ bucket, position, source: 'registry', role: 'service', listener: 'registry', received_ms: RECEIVED_MS },
    ...{ header: { hearth: 1, count: said.length, ...about, ...more }, lines: Buffer.from(said.join('')) },
    ...{ take: [[0, said.length]], duplicates: 0, dead: undefined },
  }
}

function planned(batches: readonly EncoderBatch[], dates_max?: number) {
  const attempt = beginAttempt(openEventRows(), BUCKETS, 0)
  for (const batch of batches) attempt.add(batch)
  return planEvents(attempt, { erased: new Map(), ...(dates_max !== undefined && { dates_max }) })
}

test('a change of the registry that does not say since when may be of any time, whatever others say beside it', () => {
  const registry = (...events: readonly object[]) => planned([batchOf(1, events)]).touched.registry
  expect(registry({ valid_from_ms: 2_000 }, { valid_from_ms: 1_000 })).toEqual([[bucket, 1_000]])
  expect(registry({ valid_from_ms: 2_000 }, {})).toEqual([[bucket, 0]])
})

test('a bucket ends before the batch that would open one more date than it may', () => {
  const batches = [0, 1, 2, 0].map((days, i) => batchOf(i + 1, [{ m: -days * DAY_MS }]))
  const { through, partitions } = planned(batches, 2)
  expect(through).toEqual(new Map([[bucket, 2]]))
  expect(partitions.map(({ rows }) => rows.length)).toEqual([1, 3])
})
