import { ApiException } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { ManualClock } from '../../sim/clock.ts'
import { ask, type Refusal, refusalOf, refusalText } from './api.ts'
import { AWAY_LIMIT_MS, AWAY_MS, STOP_AWAY_LIMIT_MS } from './limits.ts'

const refused = (code: number, body: unknown = '{"message":"because"}') => new ApiException(code, 'no', body, {})

test.each<[unknown, Refusal]>([
  [refused(404), 'missing'],
  [refused(409), 'taken'],
  [refused(403), 'refused'],
  [refused(422), 'refused'],
  [refused(429), 'away'],
  [refused(500), 'away'],
  [new TypeError('fetch failed'), 'away'],
])('%s is %s', (error, refusal) => expect(refusalOf(error)).toBe(refusal))

test('a refusal is told in the words of the API server', () => {
  expect(refusalText(refused(403))).toBe('403: because')
  expect(refusalText(refused(502, '<html>'))).toMatch(/^502: /)
})

test('an API server that is away is asked until it is back', async () => {
  const clock = new ManualClock(0)
  let calls = 0
  const answer = ask(clock, 'list pods', async () => {
    if (++calls < 3) throw new TypeError('fetch failed')
    return 'pods'
  })
  await clock.advance(3 * AWAY_MS)
  expect([await answer, calls]).toEqual(['pods', 3])
})

test('one that is away for long, or refuses, is told by kind', async () => {
  const clock = new ManualClock(0)
  const away = ask(clock, 'list pods', () => Promise.reject(refused(500)))
  const told = expect(away).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'the API server does not list pods: 500: because',
  })
  await clock.advance(AWAY_LIMIT_MS + 2 * AWAY_MS)
  await told
  for (const [code, kind] of [
    [403, 'unauthorized'],
    [422, 'invalid'],
  ] as const)
    await expect(ask(clock, 'create a Job', () => Promise.reject(refused(code)))).rejects.toMatchObject({ kind })
  await expect(ask(clock, 'read a Job', () => Promise.reject(refused(404)))).resolves.toBeUndefined()
})

test('what waiting does not mend is told at once: how the client is configured, and whom it does not trust', async () => {
  const clock = new ManualClock(0)
  const untrusted = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  for (const [error, message] of [
    [new Error('HTTP protocol is not allowed'), 'the API server does not list pods: HTTP protocol is not allowed'],
    [new TypeError('fetch failed', { cause: untrusted }), 'the API server does not list pods: self-signed certificate'],
  ] as const)
    await expect(ask(clock, 'list pods', () => Promise.reject(error))).rejects.toMatchObject({ message })
})

test('who is told to stop waits a moment for one that is away, and before that says that it waits', async () => {
  const clock = new ManualClock(0)
  const stop = new AbortController()
  let waited = 0
  const options = { hurry: stop.signal, waits: () => waited++ }
  const told = ask(clock, 'read a Job', () => Promise.reject(new TypeError('fetch failed')), options)
  const ended = expect(told).rejects.toMatchObject({ kind: 'unavailable' })
  await clock.advance(STOP_AWAY_LIMIT_MS)
  expect(waited).toBeGreaterThan(1)
  stop.abort()
  await clock.advance(2 * AWAY_MS)
  await ended
})
