import { createHash } from 'node:crypto'
import { Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import type { Administration } from './administration.ts'
import { TOKEN_HUBS_MAX, TOKENS_MAX } from './limits.ts'
import type { Principal } from './registry.ts'
import type { RegistryOptions } from './registry-options.ts'
import { number } from './row.ts'
import { type Change, row, run, type Steps } from './steps.ts'

const REVOKE = 'UPDATE tokens SET revoked_ms = ? WHERE app = ? AND revoked_ms IS NULL'
const INSERT = 'INSERT INTO tokens (hash, app, principal, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)'

/** Tokens: 256 random bits, of which only the SHA-256 is kept, so that a stolen registry opens no door. */
export function tokenWrites(
  change: Change,
  { clock, random }: Pick<RegistryOptions, 'clock' | 'random'>,
): Pick<Administration, 'createToken' | 'revokeToken'> {
  return {
    async createToken(principal, { expires_ms } = {}) {
      check(principal)
      const token = `hearth_${Buffer.from(random.bytes(32)).toString('base64url')}`
      const now_ms = clock.now()
      await change(function* () {
        yield* makeRoom(now_ms)
        const body = JSON.stringify(principal)
        yield* run(INSERT, sha256(token), principal.app, body, now_ms, expires_ms ?? null)
      })
      return token
    },
    async revokeToken(app) {
      const revoked = await change(() => run(REVOKE, clock.now(), app))
      if (revoked === 0) throw new Problem('missing', `no token of ${JSON.stringify(app)} that could be revoked`)
    },
  }
}

/** Forgets tokens that are no good when there are too many; raises `limit`. */
function* makeRoom(now_ms: number): Steps<void> {
  const count = function* () {
    return number((yield* row('SELECT count(*) AS tokens FROM tokens'))?.['tokens'])
  }
  if ((yield* count()) < TOKENS_MAX) return
  yield* run('DELETE FROM tokens WHERE revoked_ms IS NOT NULL OR expires_ms < ?', now_ms)
  if ((yield* count()) < TOKENS_MAX) return
  throw new Problem('limit', `the registry keeps at most ${TOKENS_MAX} tokens: revoke some first`)
}

function check(principal: Principal) {
  if (!isId(principal.app)) {
    throw new Problem('invalid', `an app is named by a–z, 0–9, '.', '_', '-'; found ${JSON.stringify(principal.app)}`)
  }
  if (principal.scopes.length === 0)
    throw new Problem('invalid', `the token of ${principal.app} needs at least one scope`)
  const hubs = principal.hubs?.length ?? 0
  if (hubs > TOKEN_HUBS_MAX) {
    throw new Problem(
      'limit',
      `a token names at most ${TOKEN_HUBS_MAX} hubs, found ${hubs}: leave the list out for all hubs`,
    )
  }
}

export function sha256(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}
