import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { HOUR_MS } from './limits.ts'
import { METRIC_NAMES, openHistory, type Row } from './testing/history.ts'
import { STORY_HOURS, tellStory } from './testing/story.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
/** When the jobs run, hours into the story: within an hour, just past one, and when all is over. */
const RUNS = [1.5, 3.01, STORY_HOURS + 0.1] as const

/**
 * What an input event affects is what the header of a metric says it reads (`inputs`) and carries (`carry`): nothing
 * else is shown to its SELECT. So what is left to hold against a full recompute is that this is what becomes due.
 */
test.each([1, 2])(
  'coming late and in any order, events of seed %i make what they make at once',
  async (seed) => {
    const { float } = seededRandom(seed + 100)
    await using history = await openHistory(T0)
    const parts = RUNS.map((): Row[] => [])
    for (const row of tellStory(seed, T0)) {
      const first = RUNS.findIndex((hours) => row.event_time < T0 + hours * HOUR_MS)
      // A batch belongs to the hour of its receipt: late only when the writer lagged, as in every other story.
      const lags = row.kind !== 'batch' || seed % 2 === 0
      const part = first + (lags ? Math.floor(float() * (RUNS.length - first)) : 0)
      parts[part]?.push(row)
    }
    for (const [index, part] of parts.entries()) {
      await history.clock.advance(T0 + (RUNS[index] ?? 0) * HOUR_MS - history.clock.now())
      // Apart, so that the receipt of the one does not stand in for the hours of the other.
      const received_time = history.clock.now()
      await history.add(part.filter(({ kind }) => kind !== 'batch').map((row) => ({ ...row, received_time })))
      await history.add(part.filter(({ kind }) => kind === 'batch'))
      await history.jobs.run()
    }
    expect(await history.jobs.plan()).toEqual([])
    await using other = await history.anew()
    for (const metric of METRIC_NAMES) expect(await history.rows(metric), metric).toEqual(await other.rows(metric))
  },
  60_000,
)
