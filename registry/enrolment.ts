import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf, Problem, type ProblemKind } from '../contract/problem.ts'
import type { Administration } from './administration.ts'
import { type Authority, requestKeyHash } from './authority.ts'
import { caHash } from './authority-file.ts'
import { CERTIFICATES_A_DAY_MAX, CLAIM_SERIAL_PATTERN, ENROLMENT_BODY_MAX_BYTES, RENEWAL_GRACE_MS } from './limits.ts'

/** One HTTPS request to the enrolment endpoint, whoever carries it. */
export type EnrolmentRequest = {
  readonly method: string
  readonly path: string
  readonly body: string
  /**
   * The client certificate of the TLS handshake (DER), when there was one. The endpoint takes certificates that its TLS
   * library calls expired (`requestCert: true, rejectUnauthorized: false`); who signed it is checked here.
   */
  readonly certificate_der?: Uint8Array
}

/** `body` is sent as JSON. */
export type EnrolmentAnswer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> }

/** Paths that this handler answers; everything else is `undefined` for it. */
export const ENROLMENT_PATHS = ['/v1/enrol', '/v1/claim', '/v1/renew', '/v1/trust'] as const

/** `GET`: the CAs that are trusted now, the one that signs first, for whoever trusts one of them; and what time it is. */
export const AUTHORITIES_PATH = '/v1/ca'

const enrolBody = z.strictObject({ code: z.string().max(64), csr: z.string().max(ENROLMENT_BODY_MAX_BYTES) })
const claimBody = z.strictObject({
  serial: z.string().regex(CLAIM_SERIAL_PATTERN, 'expected the serial of a device'),
  csr: z.string().max(ENROLMENT_BODY_MAX_BYTES),
})
const renewBody = z.strictObject({ csr: z.string().max(ENROLMENT_BODY_MAX_BYTES) })
const trustBody = z.strictObject({ ca_sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits') })

/**
 * How a hub gets its certificate. `POST /v1/enrol {code, csr}` with a one-time code; `POST /v1/claim {serial, csr}` over
 * TLS with the claim certificate of the device's batch; `POST /v1/renew {csr}` over TLS
 * with the certificate that it has, expired by no more than the grace. These answer
 * `{hub, generation, certificate, ca, expires_ms}`. `POST /v1/trust {ca_sha256}`, over TLS with its new certificate, says what
 * the hub has on its disk now: `{told}`. Failures are `{error}` with 400, 401, 413 or 503. Never throws a Problem.
 */
export function openEnrolment(options: {
  readonly registry: Administration
  readonly authority: Authority
  readonly clock: Clock
}): (request: EnrolmentRequest) => Promise<EnrolmentAnswer> {
  const { registry, authority, clock } = options

  /** Certificates that are being made, by hub: not in the registry yet. */
  const begun = new Map<string, number>()

  const checkRate = (hub: string, generation: number) => {
    const now_ms = clock.now()
    const lately = registry
      .certificates(hub)
      .filter((one) => one.generation === generation && one.issued_ms > now_ms - DAY_MS && one.issued_ms <= now_ms)
    if (lately.length + (begun.get(hub) ?? 0) < CERTIFICATES_A_DAY_MAX) return
    throw new Problem(
      'unavailable',
      `hub ${hub} got ${CERTIFICATES_A_DAY_MAX} certificates within 24 hours, and gets the next one when the oldest of them is a day old: keep the newest, and renew it when less than a third of its life is left`,
    )
  }

  const sign = async (hub: string, generation: number, csr: string): Promise<EnrolmentAnswer> => {
    checkRate(hub, generation)
    begun.set(hub, (begun.get(hub) ?? 0) + 1)
    try {
      const { certificate_pem, entry } = await authority.signRequest({ source: hub, role: 'hub', generation }, csr)
      const body = { hub, generation, certificate: certificate_pem, ca: authority.certificate_pem }
      return { status: 200, body: { ...body, expires_ms: entry.expires_ms } }
    } finally {
      const left = (begun.get(hub) ?? 0) - 1
      if (left > 0) begun.set(hub, left)
      else begun.delete(hub)
    }
  }

  const enrol = async (request: EnrolmentRequest) => {
    const { code, csr } = bodyOf(enrolBody, request)
    // The request is checked before the code is spent.
    const key_hash = await requestKeyHash(csr)
    const { hub, generation } = await registry.redeemCode(code, key_hash)
    return sign(hub, generation, csr)
  }

  const claim = async (request: EnrolmentRequest) => {
    const { serial, csr } = bodyOf(claimBody, request)
    if (!request.certificate_der) {
      throw new Problem(
        'unauthorized',
        'a claim needs the TLS connection to present the claim certificate of its batch',
      )
    }
    const { batch, serial: certificate } = await authority.identifyClaim(request.certificate_der)
    const allowed = registry.allows({ source: batch, generation: 1, serial: certificate })
    if (!allowed.ok) throw new Problem('unauthorized', allowed.reason)
    const key_hash = await requestKeyHash(csr)
    const { hub, generation } = await registry.redeemClaim(batch, serial, key_hash)
    return sign(hub, generation, csr)
  }

  /** The hub whose certificate the connection presents. Raises `unauthorized`. */
  const hubAt = async ({ path, certificate_der }: EnrolmentRequest) => {
    if (!certificate_der) {
      throw new Problem('unauthorized', `${path} needs the TLS connection to present the certificate that the hub has`)
    }
    const identity = await authority.identify(certificate_der)
    const allowed = registry.allows(identity)
    if (!allowed.ok) throw new Problem('unauthorized', allowed.reason)
    if (identity.role !== 'hub')
      throw new Problem('unauthorized', 'services get their certificates by `hearth ca issue`')
    return identity
  }

  const renew = async (request: EnrolmentRequest) => {
    const { csr } = bodyOf(renewBody, request)
    const identity = await hubAt(request)
    if (identity.expires_ms + RENEWAL_GRACE_MS < clock.now()) {
      throw new Problem(
        'unauthorized',
        `the certificate expired at ${new Date(identity.expires_ms).toISOString()}, longer ago than the grace: enrol with a new code`,
      )
    }
    return sign(identity.source, identity.generation, csr)
  }

  /** Told is who uses a certificate of the root that signs now, and trusts what is trusted now: it has both on its disk. */
  const hear = async (request: EnrolmentRequest) => {
    const { ca_sha256 } = bodyOf(trustBody, request)
    const { source, serial, is_current } = await hubAt(request)
    const told = is_current && ca_sha256 === caHash(authority.certificate_pem)
    if (told) await registry.recordTrust({ hub: source, serial, cas: ca_sha256 })
    return { status: 200, body: { told } }
  }

  return async (request) => {
    try {
      if (request.method === 'GET' && request.path === AUTHORITIES_PATH) {
        return { status: 200, body: { ca: authority.certificate_pem, now_ms: clock.now() } }
      }
      if (request.method !== 'POST') return { status: 405, body: { error: 'expected POST' } }
      if (request.path === '/v1/enrol') return await enrol(request)
      if (request.path === '/v1/claim') return await claim(request)
      if (request.path === '/v1/renew') return await renew(request)
      if (request.path === '/v1/trust') return await hear(request)
      return { status: 404, body: { error: `expected one of ${ENROLMENT_PATHS.join(', ')}, found ${request.path}` } }
    } catch (error) {
      if (!isProblem(error)) throw error
      return { status: STATUS[error.kind], body: { error: messageOf(error) } }
    }
  }
}

const DAY_MS = 86_400_000

const STATUS: Readonly<Record<ProblemKind, number>> = {
  invalid: 400,
  conflict: 400,
  missing: 400,
  unauthorized: 401,
  limit: 413,
  unavailable: 503,
  internal: 503,
  corrupt: 503,
  closed: 503,
}

function bodyOf<T>(schema: z.ZodType<T>, { body }: EnrolmentRequest): T {
  if (Buffer.byteLength(body) > ENROLMENT_BODY_MAX_BYTES) {
    throw new Problem('limit', `an enrolment request has at most ${ENROLMENT_BODY_MAX_BYTES} bytes`)
  }
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch (error) {
    throw new Problem('invalid', `expected a JSON body: ${messageOf(error)}`, { cause: error })
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw new Problem('invalid', z.prettifyError(parsed.error))
  return parsed.data
}
