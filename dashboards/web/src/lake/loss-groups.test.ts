import { expect, test } from 'vitest'
import type { LossLook } from '../../../lake-api.ts'
import { lossGroups, openLosses } from './loss-groups.ts'

const MINUTE_MS = 60_000
const loss = (change: Partial<LossLook> = {}): LossLook => ({
  ...{
    kind: 'gap',
    time_ms: 100 * MINUTE_MS,
    bucket: 1,
    log_id: '01-a',
    table_position: 40,
    log_first: 1,
    log_next: 3,
  },
  ...{ reason: 'the log ends at 2, but the table has read up to 40', ...change },
})

test('one broken log is one group with its buckets; another log, kind, cause, time or a second time of a bucket is another', () => {
  const buckets = [1, 2, 3].map((bucket) =>
    loss({ bucket, reason: `the log ends at ${bucket}, but the table has read up to 4${bucket}` }),
  )
  expect(lossGroups(buckets).map(({ rows }) => rows.map(({ bucket }) => bucket))).toEqual([[1, 2, 3]])
  const others = [
    loss({ bucket: 4, log_id: '01-b' }),
    loss({ bucket: 5, kind: 'accepted' }),
    loss({ bucket: 6, reason: 'the log begins at 9' }),
    loss({ bucket: 2 }),
    loss({ bucket: 7, time_ms: 90 * MINUTE_MS }),
  ]
  expect(lossGroups([...buckets, ...others])).toHaveLength(6)
})

test('a log that ends too early is no loss yet; one that begins too late is; what was accepted since is settled', () => {
  const begins = loss({ log_first: 50, log_next: 60, reason: 'the log begins at 50' })
  const replaced = loss({ kind: 'replaced', log_first: 0, log_next: 0, reason: 'log 01-b took its place' })
  expect(openLosses([begins, loss(), loss({ bucket: 2 }), replaced])).toEqual({ lost: 1, ended: 1, replaced: 1 })
  const accepted = loss({ kind: 'accepted', time_ms: 101 * MINUTE_MS })
  expect(openLosses([accepted, begins, loss(), loss({ bucket: 2 })])).toEqual({ lost: 0, ended: 1, replaced: 0 })
})
