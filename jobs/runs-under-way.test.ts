import { expect, test } from 'vitest'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { runObjects } from './run-objects.ts'
import { lookAtRuns } from './runs-under-way.ts'

const T0 = Date.UTC(2026, 10, 20)

test('a run under way tells since when it goes and how many of its parts are made; one of another Hearth its name', async () => {
  const clock = new ManualClock(T0)
  const store = openMemoryStore({ clock })
  const units = [0, 1, 1].map((bucket) => [T0, bucket, 'never computed'])
  const about = { metric: 'hub_hours', definition: 'f00d', now_ms: T0, standing: 3, inputs: {}, versions: {}, units }
  const hours = runObjects(store, 'hub-hours-1f0c9a-3-9b1e44')
  const begun = await hours.begin(JSON.stringify({ hearth_task: 1, ...about, parts: 8 }))
  await runObjects(store, 'of-tomorrow').begin('{"hearth_task":2}')
  await clock.advance(5_000)
  await hours.putMade(begun, 1, 'what came of it')
  await hours.putMade({ ...begun, digest: 'another' }, 0, 'of another text')
  expect(await lookAtRuns(store, catalogue())).toEqual([
    {
      ...{ run: 'hub-hours-1f0c9a-3-9b1e44', since_ms: T0, made: 1 },
      about: { metric: 'hub_hours', units: 3, parts: 2 },
    },
    { run: 'of-tomorrow', since_ms: T0, made: 0, about: undefined },
  ])
  await hours.clear()
  expect(await lookAtRuns(store, catalogue())).toHaveLength(1)
})
