import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { untilThere } from './until-there.ts'

/** Timers come at once. */
const clock = {
  now: () => 0,
  monotonic: () => 0,
  timer: (delay_ms: number, callback: () => void) => {
    delays.push(delay_ms)
    queueMicrotask(callback)
    return () => undefined
  },
}
let delays: number[] = []
const warn = () => undefined

test('tries again while it is unavailable, with longer and longer waits, and gives what it opened in the end', async () => {
  delays = []
  let tries = 0
  const open = () => (++tries < 8 ? Promise.reject(new Problem('unavailable', 'away')) : Promise.resolve('open'))
  await expect(untilThere({ clock, signal: new AbortController().signal }, { warn }, open)).resolves.toBe('open')
  expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('raises what no wait mends, and what it met when it was asked to end', async () => {
  const { signal } = new AbortController()
  const wrong = () => Promise.reject(new Problem('invalid', 'wrong'))
  await expect(untilThere({ clock, signal }, { warn }, wrong)).rejects.toMatchObject({ kind: 'invalid' })
  const away = () => Promise.reject(new Problem('unavailable', 'away'))
  await expect(untilThere({ clock, signal: AbortSignal.abort() }, { warn }, away)).rejects.toMatchObject({
    message: 'away',
  })
})
