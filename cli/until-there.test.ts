import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { untilThere } from './until-there.ts'

const config = { kafka: { brokers: 'kafka:9092' }, lake: { url: '' } }

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
  await expect(untilThere({ clock, config, signal: new AbortController().signal }, { warn }, open)).resolves.toBe(
    'open',
  )
  expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('raises what no wait mends, and what it met when it was asked to end', async () => {
  const { signal } = new AbortController()
  const wrong = () => Promise.reject(new Problem('invalid', 'wrong'))
  await expect(untilThere({ clock, config, signal }, { warn }, wrong)).rejects.toMatchObject({ kind: 'invalid' })
  const away = () => Promise.reject(new Problem('unavailable', 'away'))
  await expect(untilThere({ clock, config, signal: AbortSignal.abort() }, { warn }, away)).rejects.toMatchObject({
    message: 'away',
  })
})

test('does not wait for what is on this machine alone', async () => {
  const { signal } = new AbortController()
  const here = { kafka: { brokers: '' }, lake: { url: '' } }
  const away = () => Promise.reject(new Problem('unavailable', 'read-only'))
  await expect(untilThere({ clock, config: here, signal }, { warn }, away)).rejects.toMatchObject({
    message: 'read-only',
  })
})
