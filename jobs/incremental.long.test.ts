import { expect, test } from 'vitest'
import { HOUR_MS } from './limits.ts'
import { openHistory, sameAsAnew } from './testing/history.ts'
import { inParts, STORY_HOURS, tellStory } from './testing/story.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
/** When the jobs run: within an hour, just past one and before it has settled, after one, and when all is over. */
const RUNS_MS = [1.5, 2.01, 3.1, STORY_HOURS + 0.1].map((hours) => T0 + hours * HOUR_MS)

/**
 * What an input event affects is what the header of a metric says it reads (`inputs`) and carries (`carry`): nothing
 * else is shown to its SELECT. So what is left to hold against a full recompute is that this is what becomes due.
 */
test.each([1, 2])(
  'coming late and in any order, events of seed %i make what they make at once',
  async (seed) => {
    await using history = await openHistory(T0)
    const parts = inParts(tellStory(seed, T0), RUNS_MS, seed + 100, seed % 2 === 0)
    for (const [index, part] of parts.entries()) {
      await history.clock.advance((RUNS_MS[index] ?? 0) - history.clock.now())
      // Apart, so that the receipt of the one does not stand in for the hours of the other.
      const received_time = history.clock.now()
      await history.add(part.filter(({ kind }) => kind !== 'batch').map((row) => ({ ...row, received_time })))
      await history.add(part.filter(({ kind }) => kind === 'batch'))
      await history.jobs.run()
    }
    expect(await history.jobs.plan()).toEqual([])
    // The first of the two days is over, and was made before the last of it came.
    expect(await history.rows('device_days')).toMatchObject([{ device_type: 'lamp' }])
    await sameAsAnew(history)
  },
  120_000,
)
