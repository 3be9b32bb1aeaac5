import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import type { OutsideTokens } from '../registry/jwt-tokens.ts'
import { ManualClock } from '../sim/clock.ts'
import { OUTSIDE_TOKEN_TRUST_MS, TOKEN_LOOK_MS, TRUST_MS, TRUSTED_MAX } from './limits.ts'
import { tokenCache, watchTokens } from './token-cache.ts'

const PRINCIPAL = { app: 'jwt.phone', scopes: ['commands'] } as const

function opened() {
  const clock = new ManualClock()
  const asked = { registry: 0, issuer: 0 }
  const expires_ms = clock.now() + 10 * OUTSIDE_TOKEN_TRUST_MS
  const state = { revoked: false }
  const registry = {
    verifyToken() {
      asked.registry++
      if (state.revoked) throw new Problem('unauthorized', 'was revoked')
      return { app: 'panel', scopes: ['observe'] } as const
    },
  }
  const outside: OutsideTokens = {
    isOne: (token) => token.includes('.'),
    async verify(token) {
      asked.issuer++
      if (token === 'b.a.d') throw new Problem('unauthorized', 'this token is not good')
      return { principal: PRINCIPAL, expires_ms }
    },
  }
  return { clock, asked, expires_ms, state, cache: tokenCache(registry, clock, outside) }
}

test('a token of the registry takes no time, and is asked for again after its moment of trust', () => {
  const { cache, clock, asked, state } = opened()
  expect(cache.prepare('hearth_x')).toBeUndefined()
  for (let i = 0; i < 3; i++) expect(cache.verify('hearth_x').app).toBe('panel')
  expect(asked).toEqual({ registry: 1, issuer: 0 })
  const isGood = cache.watch('hearth_x')
  expect(isGood()).toBe(true)
  state.revoked = true
  expect(isGood()).toBe(false)
  expect(cache.verify('hearth_x').app).toBe('panel')
  return clock.advance(TRUST_MS).then(() => expect(() => cache.verify('hearth_x')).toThrow(/revoked/))
})

test('a signature is checked once for all who ask at the same time, and then looked up at once', async () => {
  const { cache, clock, asked, expires_ms } = opened()
  expect(() => cache.verify('a.b.c')).toThrow(Problem)
  await Promise.all([cache.prepare('a.b.c'), cache.prepare('a.b.c'), cache.prepare('a.b.c')])
  expect(cache.prepare('a.b.c')).toBeUndefined()
  expect(cache.verify('a.b.c')).toEqual(PRINCIPAL)
  expect(asked).toEqual({ registry: 0, issuer: 1 })
  await clock.advance(OUTSIDE_TOKEN_TRUST_MS)
  await cache.prepare('a.b.c')
  expect(asked.issuer).toBe(2)
  // Good until its end, trusted or not, and forgotten for others or not; then not, whatever was trusted.
  const isGood = cache.watch('a.b.c')
  for (let i = 0; i < TRUSTED_MAX; i++) await cache.prepare(`x.${i}.x`)
  expect(isGood()).toBe(true)
  clock.jump(expires_ms - clock.now())
  expect(isGood()).toBe(false)
  expect(() => cache.verify('a.b.c')).toThrow(/get another/)
})

test('a bad token is told why, and repeating it costs no signature for a while', async () => {
  const { cache, clock, asked } = opened()
  for (let i = 0; i < 3; i++) {
    await cache.prepare('b.a.d')
    expect(() => cache.verify('b.a.d')).toThrow('this token is not good')
  }
  expect(asked.issuer).toBe(1)
  await clock.advance(TRUST_MS)
  await cache.prepare('b.a.d')
  expect(asked.issuer).toBe(2)
})

test('who listens is asked again when the registry changed, and when time has passed', async () => {
  const clock = new ManualClock()
  let looks = 0
  let changed = () => {}
  const watch = (callback: () => void) => {
    changed = callback
    return () => {
      changed = () => {}
    }
  }
  const stop = watchTokens({ watch }, clock, () => looks++)
  changed()
  expect(looks).toBe(1)
  await clock.advance(2 * TOKEN_LOOK_MS)
  expect(looks).toBe(3)
  stop()
  changed()
  await clock.advance(2 * TOKEN_LOOK_MS)
  expect(looks).toBe(3)
})
