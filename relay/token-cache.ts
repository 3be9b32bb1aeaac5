import type { Clock } from '../contract/clock.ts'
import { remember } from '../contract/remember.ts'
import type { Principal, Registry } from '../registry/registry.ts'
import { TOKEN_TRUST_MS, TOKENS_MAX } from './limits.ts'

/** Verified tokens, trusted for a moment, so that the registry is not asked at every command. */
export function tokenCache(registry: Pick<Registry, 'verifyToken'>, clock: Clock): (token: string) => Principal {
  const known = new Map<string, { readonly principal: Principal; readonly until_ms: number }>()
  return (token) => {
    const now_ms = clock.monotonic()
    const found = known.get(token)
    if (found && found.until_ms > now_ms) return found.principal
    const principal = registry.verifyToken(token)
    remember(known, token, { principal, until_ms: now_ms + TOKEN_TRUST_MS }, TOKENS_MAX)
    return principal
  }
}
