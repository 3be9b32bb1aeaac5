import { type Clock, every } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import type { OutsideTokens } from '../registry/jwt-tokens.ts'
import type { Principal, Registry } from '../registry/registry.ts'
import { OUTSIDE_TOKEN_TRUST_MS, REFUSED_TOKENS_MAX, TOKEN_LOOK_MS, TRUST_MS, TRUSTED_MAX } from './limits.ts'

export type TokenCache = {
  /** Who comes with a token, at once. Raises `unauthorized`. One of an issuer elsewhere is to be prepared before. */
  verify(token: string): Principal
  /** For a token whose check takes time, and that was not checked lately: resolves when `verify` knows the answer. */
  prepare(token: string): Promise<void> | undefined
  /** Of a token that is good now: tells later whether it still is, and asks the registry itself. */
  watch(token: string): () => boolean
}

type Known = { readonly principal: Principal; readonly until_ms: number; readonly expires_ms: number }

/** Verified tokens, trusted for a moment, so that neither the registry nor a signature is asked at every command. */
export function tokenCache(registry: Pick<Registry, 'verifyToken'>, clock: Clock, outside?: OutsideTokens): TokenCache {
  const known = new Map<string, Known>()
  const refused = new Map<string, { readonly problem: Problem; readonly until_ms: number }>()
  const checking = new Map<string, Promise<void>>()
  const isOutside = (token: string) => outside?.isOne(token) === true
  const ifGood = (found: Known | undefined) =>
    found && found.until_ms > clock.monotonic() && found.expires_ms > clock.now() ? found : undefined

  async function check(token: string, at: OutsideTokens): Promise<void> {
    const now_ms = clock.monotonic()
    try {
      const { principal, expires_ms } = await at.verify(token)
      remember(known, token, { principal, expires_ms, until_ms: now_ms + OUTSIDE_TOKEN_TRUST_MS }, TRUSTED_MAX)
    } catch (error) {
      const problem = isProblem(error)
        ? error
        : new Problem('internal', 'the token could not be checked', { cause: error })
      remember(refused, token, { problem, until_ms: now_ms + TRUST_MS }, REFUSED_TOKENS_MAX)
    }
  }

  return {
    verify(token) {
      const found = ifGood(known.get(token))
      if (found) return found.principal
      if (isOutside(token)) {
        throw refused.get(token)?.problem ?? new Problem('unauthorized', 'this token was good and is over: get another')
      }
      const principal = registry.verifyToken(token)
      const until_ms = clock.monotonic() + TRUST_MS
      remember(known, token, { principal, until_ms, expires_ms: Number.POSITIVE_INFINITY }, TRUSTED_MAX)
      return principal
    },
    prepare(token) {
      if (!outside || ifGood(known.get(token)) || !isOutside(token)) return undefined
      if ((refused.get(token)?.until_ms ?? Number.NEGATIVE_INFINITY) > clock.monotonic()) return undefined
      const running =
        checking.get(token) ??
        check(token, outside).finally(() => {
          checking.delete(token)
        })
      checking.set(token, running)
      return running
    },
    watch(token) {
      if (isOutside(token)) {
        // Kept here: it may be forgotten for others that come.
        const expires_ms = known.get(token)?.expires_ms ?? 0
        return () => expires_ms > clock.now()
      }
      return () => {
        try {
          registry.verifyToken(token)
          return true
        } catch (error) {
          if (isProblem(error, 'unauthorized')) return false
          throw error
        }
      }
    },
  }
}

/** Calls back when a token may have become bad: at changes of the registry, and now and then, since tokens end. */
export function watchTokens(registry: Pick<Registry, 'watch'>, clock: Clock, recheck: () => void): () => void {
  const unwatch = registry.watch(recheck)
  const stopLooks = every(clock, TOKEN_LOOK_MS, recheck)
  return () => {
    unwatch()
    stopLooks()
  }
}
