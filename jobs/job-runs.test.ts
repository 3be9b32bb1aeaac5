import { expect, test } from 'vitest'
import { FLOOR_TXN } from '../lake/conflict.ts'
import { createLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { type Hooks, openHookedStore } from '../lake/testing/hooked-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { JOB_RUNS_TABLE, type JobRun, recordRuns } from './job-runs.ts'

const RUN: JobRun = {
  ...{ metric: 'hubs', units: 1, first_ms: 0, last_ms: 0, rows: 1, ms: 1, cause: 'never computed' },
  ...{ outcome: 'committed', version: 1 },
}

test('what a run did is told though vacuum passed it meanwhile', async () => {
  const [clock, random] = [new ManualClock(), seededRandom(1)]
  const memory = openMemoryStore({ clock })
  const other = await createLake({ store: memory, clock, random, fleet: 'f', region: 'r', buckets: 1 })
  let passed = false
  const after: Hooks['after'] = async (operation, path) => {
    if (passed || operation !== 'put' || !path.startsWith('job_runs/part-')) return
    passed = true
    const table = await other.table(JOB_RUNS_TABLE)
    const base = await table.snapshot()
    const txns = [{ appId: FLOOR_TXN, expected: undefined, next: base.version }]
    await table.commit({ id: 'floor', kind: 'floor', base, adds: [], removes: [], info: {}, txns })
  }
  const lake = await createLake({
    ...{ store: openHookedStore(memory, { after }), clock, random, fleet: 'f', region: 'r', buckets: 1 },
  })
  await recordRuns({ lake, clock, random }, 0, [RUN])
  expect(passed).toBe(true)
  expect((await (await other.table(JOB_RUNS_TABLE)).snapshot()).files.size).toBe(1)
})
