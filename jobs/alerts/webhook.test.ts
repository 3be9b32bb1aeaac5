import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Clock } from '../../contract/clock.ts'
import { seededRandom } from '../../sim/clock.ts'
import { TELL_TIMEOUT_MS, TELL_WAIT_MS } from './limits.ts'
import type { Notification } from './notification.ts'
import { type Catcher, openCatcher } from './testing/catcher.ts'
import { openWebhook, signatureOf } from './webhook.ts'

const NOW_MS = Date.UTC(2026, 10, 20)
let waits_ms: number[] = []
/** Waits between tries pass at once, the time for an answer never. */
const clock: Clock = {
  now: () => NOW_MS,
  monotonic: () => 0,
  timer: (delay_ms, callback) => {
    if (delay_ms < TELL_TIMEOUT_MS) {
      waits_ms.push(delay_ms)
      setImmediate(callback)
    }
    return () => undefined
  },
}

let catcher: Catcher
beforeEach(async () => {
  waits_ms = []
  catcher = await openCatcher()
})
afterEach(() => catcher[Symbol.asyncDispose]())

const one: Notification = {
  ...{ id: 'test/o/page/1', fleet: 'test', objective: 'o', severity: 'page', state: 'firing', previous: 'ok' },
  ...{ time_ms: NOW_MS, started_ms: NOW_MS, summary: 'o burns', threshold: 14.4, burns: [], behind: [] },
  links: { commands: 'c', rows: 'r', fleet: 'f' },
}
const tell = (secret?: string, seed = 1) =>
  openWebhook({ url: catcher.url, secret, clock, random: seededRandom(seed) }).tell(one, new AbortController().signal)

test('a change is one POST, signed where there is a secret', async () => {
  await tell('of both')
  const { headers, body } = catcher.caught[0] ?? { headers: {}, body: '' }
  expect(JSON.parse(body)).toMatchObject({ version: 1, id: one.id, state: 'firing', time: '2026-11-20T00:00:00.000Z' })
  expect(headers).toMatchObject({ 'x-hearth-id': one.id, 'x-hearth-signature': signatureOf('of both', body) })
  await tell()
  expect(catcher.caught[1]?.headers['x-hearth-signature']).toBeUndefined()
})

test('what a server in trouble did not take comes again', async () => {
  catcher.answer(503, 429)
  await tell()
  expect(catcher.caught).toHaveLength(3)
})

test('waits double, and are not those of another that began at the same time', async () => {
  for (const seed of [1, 2]) {
    catcher.answer(503, 503)
    await tell(undefined, seed)
  }
  const [first = 0, second = 0, other] = waits_ms
  expect(first).toBeGreaterThanOrEqual(TELL_WAIT_MS / 2)
  expect(first).toBeLessThan(TELL_WAIT_MS)
  expect(second).toBeGreaterThanOrEqual(TELL_WAIT_MS)
  expect(second).toBeLessThan(2 * TELL_WAIT_MS)
  expect(other).not.toBe(first)
})

test('who says when to come again is asked then, and in the next tick where that is long', async () => {
  catcher.answer(429, 503)
  catcher.retryAfter(7)
  await tell()
  expect(waits_ms).toEqual([7_000, 7_000])
  catcher.answer(429)
  catcher.retryAfter(60)
  await expect(tell()).rejects.toMatchObject({ kind: 'unavailable' })
  expect(waits_ms).toHaveLength(2)
})

test.each([
  [400, 'invalid', 1],
  [413, 'invalid', 1],
  [422, 'invalid', 1],
  [401, 'unauthorized', 1],
  [403, 'unauthorized', 1],
  [404, 'unavailable', 3],
])('an answer of %i is %s', async (status, kind, times) => {
  catcher.answer(status, status, status)
  await expect(tell()).rejects.toMatchObject({ kind, message: `the webhook answered ${status}: said` })
  expect(catcher.caught).toHaveLength(times)
})

test('nobody there is a fault that says so, and not where', async () => {
  await catcher[Symbol.asyncDispose]()
  const fault: unknown = await tell().catch((error: unknown) => error)
  expect(fault).toMatchObject({ kind: 'unavailable' })
  expect(String(fault)).not.toContain('/hook')
})
