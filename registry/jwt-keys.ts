/** Public keys of an issuer of tokens, as a JSON Web Key Set (RFC 7517): from a file, or from where the issuer publishes it. */
import { readFileSync } from 'node:fs'
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { causeOf, isProblem, messageOf, Problem } from '../contract/problem.ts'
import { JWKS_MAX_BYTES, JWKS_REFRESH_MS, JWKS_RETRY_MS, JWKS_TIMEOUT_MS } from './limits.ts'

/** Public halves for ES256 alone: whatever else a set has is as if it were not there. */
const key = z.looseObject({
  ...{ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() },
  ...{ kid: z.string().max(256).optional(), alg: z.literal('ES256').optional(), use: z.literal('sig').optional() },
})
const keySet = z.object({ keys: z.array(z.unknown()).max(100) })

export type KeySource = { readonly file: string } | { readonly url: string }

export type JwtKeys = {
  /** As jose takes it. */
  readonly get: JWTVerifyGetKey
  /** Asks the issuer again, unless it was asked just now; what is known stays when it does not answer. Never raises. */
  again(): Promise<void>
  /** Keys that are known. */
  readonly count: number
  close(): void
}

/**
 * Opens the keys. Those of a file are read once, and must be there: raises `invalid`. Those of a URL are asked for now, each
 * ten minutes, and when a token names a key that is not known; until the first answer no token is good.
 */
export async function openJwtKeys(
  source: KeySource,
  { clock, note }: { readonly clock: Clock; readonly note: (text: string) => void },
): Promise<JwtKeys> {
  let keys = 'file' in source ? keysOf(readFileSync(source.file, 'utf8'), source.file) : []
  let set = createLocalJWKSet({ keys })
  let asked_ms = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  let failing = false
  let cancel = () => {}
  const get: JWTVerifyGetKey = (header, token) => set(header, token)

  async function ask(url: string): Promise<void> {
    asked_ms = clock.monotonic()
    try {
      keys = keysOf(await fetched(url), url)
      set = createLocalJWKSet({ keys })
      if (failing) note(`the issuer's keys are there again: ${url}`)
      failing = false
    } catch (error) {
      if (!isProblem(error)) throw error
      if (!failing) note(`${error.message}; ${keys.length} keys that are known stay good`)
      failing = true
    }
  }

  function again(): Promise<void> {
    if ('file' in source || clock.monotonic() - asked_ms < JWKS_RETRY_MS) return asking ?? Promise.resolve()
    asking ??= ask(source.url).finally(() => {
      asking = undefined
    })
    return asking
  }

  async function keepAsking(): Promise<void> {
    await again()
    cancel = clock.timer(failing ? JWKS_RETRY_MS : JWKS_REFRESH_MS, () => void keepAsking())
  }
  if ('url' in source) await keepAsking()
  return {
    get,
    again,
    get count() {
      return keys.length
    },
    close: () => cancel(),
  }
}

function keysOf(text: string, place: string) {
  const parsed = keySet.safeParse(jsonOf(text, place))
  if (!parsed.success) throw new Problem('invalid', `${place} is no JSON Web Key Set: expected {"keys":[…]}`)
  const found = parsed.data.keys.flatMap((one) => {
    const fit = key.safeParse(one)
    if (!fit.success) return []
    // Its private half, where somebody put it there, is none of ours.
    const { kty, crv, x, y, kid } = fit.data
    return [{ kty, crv, x, y, alg: 'ES256', ...(kid === undefined ? {} : { kid }) }]
  })
  if (found.length > 0) return found
  throw new Problem('invalid', `${place} has no key for ES256 (kty EC, crv P-256), of ${parsed.data.keys.length} keys`)
}

function jsonOf(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem('invalid', `${place} is not JSON: ${messageOf(cause)}`, { cause })
  }
}

async function fetched(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(JWKS_TIMEOUT_MS) })
    if (!answer.ok || !answer.body) throw new Problem('unavailable', `${url} answered ${answer.status}`)
    let text = ''
    const decoder = new TextDecoder()
    for await (const part of answer.body) {
      text += decoder.decode(part, { stream: true })
      if (text.length > JWKS_MAX_BYTES) throw new Problem('limit', `${url} answers more than ${JWKS_MAX_BYTES} bytes`)
    }
    return text
  } catch (error) {
    if (isProblem(error)) throw error
    throw new Problem('unavailable', `the issuer's keys are not had from ${url}: ${causeOf(error)}`, { cause: error })
  }
}
