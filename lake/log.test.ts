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
