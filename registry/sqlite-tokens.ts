import { createHash } from 'node:crypto'
import { Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import type { Administration } from './administration.ts'
import { TOKEN_HUBS_MAX, TOKENS_MAX } from './limits.ts'
import type { Principal } from './registry.ts'
import { number, principalOf, tokenEntry } from './sqlite-row.ts'
import type { RegistryOptions } from './sqlite-schema.ts'
import type { Statements } from './sqlite-statements.ts'

/** Tokens: 256 random bits, of which only the SHA-256 is kept, so that a stolen registry opens no door. */
export function tokensIn(
  { get, all, run, change }: Statements,
  { clock, random }: Pick<RegistryOptions, 'clock' | 'random'>,
): Pick<Administration, 'createToken' | 'verifyToken' | 'revokeToken' | 'tokens'> {
  const count = () => number(get('SELECT count(*) AS tokens FROM tokens')?.['tokens'])
  return {
    createToken(principal, { expires_ms } = {}) {
      check(principal)
      const token = `hearth_${Buffer.from(random.bytes(32)).toString('base64url')}`
      change(() => {
        const now_ms = clock.now()
        if (count() >= TOKENS_MAX) run('DELETE FROM tokens WHERE revoked_ms IS NOT NULL OR expires_ms < ?', now_ms)
        if (count() >= TOKENS_MAX) {
          throw new Problem('limit', `the registry keeps at most ${TOKENS_MAX} tokens: revoke some first`)
        }
        const body = JSON.stringify(principal)
        run(
          'INSERT INTO tokens VALUES (?, ?, ?, ?, ?, NULL)',
          sha256(token),
          principal.app,
          body,
          now_ms,
          expires_ms ?? null,
        )
      })
      return token
    },
    verifyToken(token) {
      const row = get('SELECT * FROM tokens WHERE hash = ?', sha256(token))
      if (!row)
        throw new Problem('unauthorized', 'this token is not known here: make one with `hearth registry token create`')
      const { app, revoked_ms, expires_ms } = tokenEntry(row)
      if (revoked_ms !== undefined) throw new Problem('unauthorized', `the token of ${app} was revoked`)
      if (expires_ms !== undefined && expires_ms <= clock.now()) {
        throw new Problem('unauthorized', `the token of ${app} expired at ${new Date(expires_ms).toISOString()}`)
      }
      return principalOf(row)
    },
    revokeToken(app) {
      const revoked = change(() =>
        run('UPDATE tokens SET revoked_ms = ? WHERE app = ? AND revoked_ms IS NULL', clock.now(), app),
      )
      if (revoked === 0) throw new Problem('missing', `no token of ${JSON.stringify(app)} that could be revoked`)
    },
    tokens: () => all('SELECT * FROM tokens ORDER BY app, created_ms').map(tokenEntry),
  }
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
