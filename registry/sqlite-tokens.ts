import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { Administration } from './administration.ts'
import { principalOf, tokenEntry } from './row.ts'
import type { Reads } from './sqlite-statements.ts'
import { sha256 } from './write-tokens.ts'

/** Who comes with a token, as the file has it. */
export function tokensIn({ get, all }: Reads, clock: Clock): Pick<Administration, 'verifyToken' | 'tokens'> {
  return {
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
    tokens: () => all('SELECT * FROM tokens ORDER BY app, created_ms').map(tokenEntry),
  }
}
