import { expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { ManualClock } from '../sim/clock.ts'
import { openMemoryStore } from './memory-store.ts'
import type { ObjectStore } from './object-store.ts'
import { probeStore } from './store-probe.ts'

const random = machineRandom

test('a store that refuses the second put is good, and nothing stays in it', async () => {
  const clock = machineClock
  const store = openMemoryStore({ clock })
  expect(Math.abs((await probeStore(store, { clock, random })).ahead_ms)).toBeLessThan(60_000)
  expect(await Array.fromAsync(store.list(''))).toEqual([])
})

test('a store that overwrites is refused, and nothing stays in it', async () => {
  const store = openMemoryStore({ clock: machineClock })
  const careless: ObjectStore = { ...store, put: (path, body) => store.put(path, body) }
  const probe = probeStore(careless, { clock: machineClock, random })
  await expect(probe).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('If-None-Match') })
  expect(await Array.fromAsync(store.list(''))).toEqual([])
})

test('tells how far the clock of the store is ahead', async () => {
  const clock = new ManualClock(1_000_000)
  const store = openMemoryStore({ clock: { ...machineClock, now: () => clock.now() + 90_000 } })
  expect(await probeStore(store, { clock, random })).toEqual({ ahead_ms: 90_000 })
})
