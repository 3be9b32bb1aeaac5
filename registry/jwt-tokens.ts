/** Tokens that somebody else issues: signed JWTs (RFC 7519) in place of those that the registry knows. */
import { createHash } from 'node:crypto'
import { errors, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import type { JwtKeys } from './jwt-keys.ts'
import { JWT_LIFE_MAX_S, JWT_MAX_CHARACTERS, TOKEN_HUBS_MAX } from './limits.ts'
import type { Principal, Scope } from './registry.ts'

/** What an issuer may grant. Sending telemetry and changing the registry are not for others to grant. */
const GRANTED = ['commands', 'observe', 'query'] as const satisfies readonly Scope[]

const claims = z.object({
  sub: z.string().min(1).max(256),
  /** Words with spaces between (RFC 8693 section 4.2); those that Hearth does not know are for somebody else. */
  scope: z.string().max(1024),
  /** Hubs that it may see and command; `*`: all of the fleet. It must be said. */
  hubs: z.union([z.literal('*'), z.array(z.string().refine(isId)).max(TOKEN_HUBS_MAX)]),
  exp: z.number(),
})

export type OutsideToken = { readonly principal: Principal; readonly expires_ms: number }

export type OutsideTokens = {
  /** Does it look like one? What the registry made begins with `hearth_`. */
  isOne(token: string): boolean
  /** Raises `unauthorized`, saying what is wrong with it. */
  verify(token: string): Promise<OutsideToken>
}

/** Checks signature (ES256 and nothing else), issuer, audience, times and claims. */
export function openOutsideTokens(options: {
  readonly issuer: string
  readonly audience: string
  /** By how much clocks may differ, in seconds. */
  readonly tolerance_s: number
  readonly keys: JwtKeys
  readonly clock: Clock
}): OutsideTokens {
  const { issuer, audience, tolerance_s, keys, clock } = options
  const check = (token: string) =>
    jwtVerify(token, keys.get, {
      ...{ issuer, audience, algorithms: ['ES256'], clockTolerance: tolerance_s },
      ...{ maxTokenAge: JWT_LIFE_MAX_S, requiredClaims: ['exp', 'iat', 'sub'] },
      currentDate: new Date(clock.now()),
    })

  async function checked(token: string) {
    try {
      return await check(token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // It may be signed by a key that is newer than the last look.
      await keys.again()
      return await check(token)
    }
  }

  return {
    isOne: (token) => !token.startsWith('hearth_') && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token),
    async verify(token) {
      if (token.length > JWT_MAX_CHARACTERS) {
        throw new Problem('unauthorized', `a token has at most ${JWT_MAX_CHARACTERS} characters, found ${token.length}`)
      }
      const payload = await checked(token).then(
        (good) => good.payload,
        (cause: unknown) => {
          if (!(cause instanceof errors.JOSEError) && !(cause instanceof TypeError)) throw cause
          throw new Problem('unauthorized', `this token is not good: ${messageOf(cause)}`, { cause })
        },
      )
      const parsed = claims.safeParse(payload)
      if (!parsed.success) {
        const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
        throw new Problem('unauthorized', `this token's claims do not fit: ${wrong}`)
      }
      const { sub, scope, hubs, exp } = parsed.data
      const words = scope.split(' ')
      const scopes = GRANTED.filter((one) => words.includes(one))
      const principal = { app: appOf(issuer, sub), scopes, ...(hubs === '*' ? {} : { hubs }) }
      return { principal, expires_ms: (exp + tolerance_s) * 1000 }
    },
  }
}

/** The name that its commands are recorded under: never one that the registry gives to an app. */
function appOf(issuer: string, sub: string): string {
  const plain = `jwt.${sub}`
  if (isId(plain)) return plain
  return `jwt.${createHash('sha256').update(`${issuer}\n${sub}`).digest('hex').slice(0, 32)}`
}
