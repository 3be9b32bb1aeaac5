import { expect, test } from 'vitest'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock } from '../sim/clock.ts'
import { runObjects } from './run-objects.ts'

test('of what came of a task the first counts, and all of a run is gone when it is over', async () => {
  const store = openMemoryStore({ clock: new ManualClock() })
  const [run, other] = [runObjects(store, 'hubs-1'), runObjects(store, 'hubs-10')]
  await run.putTask(0, 'task')
  await other.putTask(0, 'other')
  expect(await run.task(0)).toBe('task')
  await expect(run.task(1)).rejects.toMatchObject({ kind: 'missing' })
  expect(await run.made(0)).toBeUndefined()
  await run.putMade(0, 'first')
  await run.putMade(0, 'second')
  expect(await run.made(0)).toBe('first')
  await run.clear()
  await expect(run.task(0)).rejects.toThrow(/run hubs-1 has no task 0: it is over/)
  expect(await other.task(0)).toBe('other')
})

test.each(['', 'A', '../x', 'a/b'])('a run is not called %j', (name) => {
  expect(() => runObjects(openMemoryStore({ clock: new ManualClock() }), name)).toThrow(/expected the name of a run/)
})
