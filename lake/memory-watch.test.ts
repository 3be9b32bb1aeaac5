import { expect, test } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { watchMemory } from './memory-watch.ts'

/** A clock whose timers run when they are told to. */
function handClock() {
  const timers = new Set<() => void>()
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    timer: (_delay_ms, callback) => {
      timers.add(callback)
      return () => timers.delete(callback)
    },
  }
  const tick = () => {
    const due = [...timers]
    timers.clear()
    for (const callback of due) callback()
  }
  return { clock, tick, waiting: () => timers.size }
}

test('says once that memory went past the limit, and not at the limit', () => {
  const { clock, tick, waiting } = handClock()
  let used = 90
  let said = 0
  watchMemory({ clock, used_bytes: () => used, max_bytes: 100, past: () => said++ })
  tick()
  used = 100
  tick()
  expect(said).toBe(0)
  used = 101
  tick()
  tick()
  expect([said, waiting()]).toEqual([1, 0])
})

test('looks no more once it is told to stop', () => {
  const { clock, tick, waiting } = handClock()
  const stop = watchMemory({ clock, used_bytes: () => 1, max_bytes: 100, past: () => {} })
  tick()
  stop()
  expect(waiting()).toBe(0)
})
