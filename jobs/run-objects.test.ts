import { expect, test } from 'vitest'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock } from '../sim/clock.ts'
import { runObjects, runsUnderWay } from './run-objects.ts'

test('of what is put twice the first counts, and all of a run is gone when it is over', async () => {
  const store = openMemoryStore({ clock: new ManualClock() })
  const [run, other] = [runObjects(store, 'hubs-1'), runObjects(store, 'hubs-10')]
  const begun = await run.begin('task')
  expect(await run.begin('another')).toEqual(begun)
  expect(begun.text).toBe('task')
  await other.begin('other')
  expect(await run.made(begun, 0)).toBeUndefined()
  await run.putMade(begun, 0, 'first')
  await run.putMade(begun, 0, 'second')
  expect(await run.made(begun, 0)).toBe('first')
  expect(await runsUnderWay(store)).toEqual(['hubs-1', 'hubs-10'])
  await run.clear()
  await expect(run.begun()).rejects.toThrow(/there is no run hubs-1: it is over/)
  expect(await runsUnderWay(store)).toEqual(['hubs-10'])
})

test.each(['', 'A', '../x', 'a/b'])('a run is not called %j', (name) => {
  expect(() => runObjects(openMemoryStore({ clock: new ManualClock() }), name)).toThrow(/expected the name of a run/)
})
