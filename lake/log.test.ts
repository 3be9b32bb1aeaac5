import { expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { LOG_ENTRY_MAX_BYTES } from './limits.ts'
import { openLog } from './log.ts'
import { openMemoryStore } from './memory-store.ts'

test('an entry that is too large is refused, and its version stays free', async () => {
  const log = openLog(openMemoryStore({ clock: new ManualClock() }), 'events')
  const tags = { note: 'x'.repeat(LOG_ENTRY_MAX_BYTES) }
  const add = { path: 'a.parquet', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, tags }
  const commit = {
    version: 1,
    ...{ info: undefined, protocol: undefined, metadata: undefined },
    txns: [],
    removes: [],
    adds: [add],
  }
  await expect(log.put(commit)).rejects.toMatchObject({ kind: 'limit', outcome: 'did-not-happen' })
  expect(await log.has(1)).toBe(false)
  await log.put({ ...commit, adds: [] })
  expect(await log.has(1)).toBe(true)
})

test('a checkpoint in several parts counts when all of them are there', async () => {
  const store = openMemoryStore({ clock: new ManualClock() })
  const log = openLog(store, 't')
  const part = (version: number, rest: string) =>
    `t/_delta_log/${String(version).padStart(20, '0')}.checkpoint.${rest}.parquet`
  const [first, second, other] = ['0000000001.0000000002', '0000000002.0000000002', '0000000001.0000000003'] as const
  for (const rest of [first, second, other]) await store.put(part(3, rest), Buffer.from('x'))
  await store.put(part(4, first), Buffer.from('x'))
  await store.put(part(5, '80a083e8-7026-4e79-81be-64bd76c43a11'), Buffer.from('x'))
  expect(await log.list(0)).toEqual({
    entries: [],
    checkpoints: [3],
    parts: new Map([[3, [part(3, first), part(3, second)]]]),
    unread: [5],
  })
})
