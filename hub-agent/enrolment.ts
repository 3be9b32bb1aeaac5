/** How a hub gets its certificate: its key never leaves it, a request for it goes to the enrolment endpoint. */
import { hash, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import { hostOf } from '../contract/host.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { connectChecked } from '../link/server-check.ts'
import { BUILT_MS, ENROLMENT_ANSWER_MAX_BYTES, ENROLMENT_TIMEOUT_MS } from './limits.ts'

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Loaded only to enrol or renew: it is as much memory as all else that a hub runs on (docs/decisions/121). */
async function certificates() {
  await import('reflect-metadata') // its dependency injection needs it loaded first
  return await import('@peculiar/x509')
}

const granted = z.object({
  hub: z.string(),
  generation: z.number().int().min(1),
  certificate: z.string(),
  ca: z.string(),
  expires_ms: z.number(),
})

/** A gateway of an earlier version says no time. */
const trusted = z.object({ ca: z.string(), now_ms: z.number().optional() })

/** What a hub keeps: `tls` are the contents of key.pem, cert.pem and ca.pem. */
export type Enrolled = {
  readonly hub: string
  readonly generation: number
  readonly expires_ms: number
  readonly tls: ClientTls
}

/**
 * Spends a one-time code. `url` is the endpoint, `https://host:port`; `ca` must have signed its certificate.
 * Raises `unauthorized` (the code), `unavailable` (no answer: the same code with the same key may be tried again).
 */
export async function enrol(options: {
  readonly url: string
  readonly ca: string
  readonly code: string
  /** A key from an attempt whose answer was lost. */
  readonly key?: string
  /** What the hub's clock says, which may be 1970. */
  readonly now_ms: number
}): Promise<Enrolled> {
  const { key, csr } = await request(options.key)
  const body = { code: options.code, csr }
  const tls = { ca: options.ca }
  return enrolled(await ask({ url: new URL('/v1/enrol', options.url), body, tls, now_ms: options.now_ms }), key)
}

/**
 * Becomes the hub that the registry expects of this serial, by the claim certificate of the device's batch: `claim` are its
 * key, certificate and CA. Raises as `enrol`; tried again with the same `key` it gets the same answer.
 */
export async function claim(options: {
  readonly url: string
  readonly claim: ClientTls
  readonly serial: string
  readonly key?: string
  readonly now_ms: number
}): Promise<Enrolled> {
  const { key, csr } = await request(options.key)
  const body = { serial: options.serial, csr }
  const { claim: tls, now_ms } = options
  return enrolled(await ask({ url: new URL('/v1/claim', options.url), body, tls, now_ms }), key)
}

/** A key for an enrolment to come, PEM: kept before it is asked for, so that a lost answer can be asked for again. */
export async function newKey(): Promise<string> {
  return (await request(undefined)).key
}

/** A new certificate for a new key, by the one that the hub has; expired within the grace is good enough. */
export async function renew(options: {
  readonly url: string
  readonly tls: ClientTls
  readonly now_ms: number
}): Promise<Enrolled> {
  const { key, csr } = await request(undefined)
  const { url, tls, now_ms } = options
  return enrolled(await ask({ url: new URL('/v1/renew', url), body: { csr }, tls, now_ms }), key)
}

/** The CAs that the fleet trusts now, PEM, the one that signs first, and what its clock says. Raises as `enrol`. */
export async function authorities(options: {
  readonly url: string
  readonly tls: ClientTls
  readonly now_ms: number
}): Promise<{ readonly ca: string; readonly now_ms: number }> {
  const { url, tls, now_ms } = options
  const answer = trusted.safeParse(await ask({ url: new URL('/v1/ca', url), tls, now_ms }))
  if (answer.success) return { ca: answer.data.ca, now_ms: answer.data.now_ms ?? now_ms }
  throw new Problem('corrupt', `the endpoint's answer names no CA: ${answer.error.message}`)
}

/**
 * Says by the hub's certificate which CAs it has on its disk; true when they and the certificate are what the fleet uses now.
 * Raises as `enrol`.
 */
export async function sayTrust(options: {
  readonly url: string
  readonly tls: ClientTls
  readonly now_ms: number
}): Promise<boolean> {
  const { url, tls, now_ms } = options
  const body = { ca_sha256: hash('sha256', tls.ca) }
  const answer = z
    .object({ told: z.boolean() })
    .safeParse(await ask({ url: new URL('/v1/trust', url), body, tls, now_ms }))
  return answer.success && answer.data.told
}

/** Was a certificate signed by the first of these CAs, the one that signs now? */
export function isSignedByFirst(certificate_pem: string, ca_pem: string): boolean {
  return new X509Certificate(certificate_pem).verify(new X509Certificate(ca_pem).publicKey)
}

/**
 * A moment that is past for certain, whatever the clock says, ms since 1970: this code was written, and the certificate
 * that the hub has was made.
 */
export function pastFor(certificate_pem: string | undefined): number {
  return Math.max(BUILT_MS, certificate_pem ? new X509Certificate(certificate_pem).validFromDate.getTime() : 0)
}

/** Time to renew: less than a third of the certificate's life is left. */
export function renewalDue(certificate_pem: string, now_ms: number): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate_pem)
  const life_ms = validToDate.getTime() - validFromDate.getTime()
  return validToDate.getTime() - now_ms < life_ms / 3
}

/** The hub and generation that a certificate names. Raises `invalid` for one that names no hub. */
export function hubOf(certificate_pem: string): { readonly hub: string; readonly generation: number } {
  const names = new X509Certificate(certificate_pem).subjectAltName ?? ''
  const match = /URI:hearth:\/\/[^/]+\/hub\/([^/,]+)\/(\d{1,9})/.exec(names)
  if (!match) throw new Problem('invalid', `the certificate names no hub, it has ${names || 'no name'}; enrol anew`)
  return { hub: match[1] ?? '', generation: Number(match[2]) }
}

async function request(key_pem: string | undefined): Promise<{ readonly key: string; readonly csr: string }> {
  const keys =
    key_pem === undefined ? await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']) : await keysOf(key_pem)
  const x509 = await certificates()
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ['hub'] }],
    keys,
    signingAlgorithm: ECDSA,
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`, csr: `${made.toString('pem')}\n` }
}

/** Both halves of a kept private key: the public one is among the numbers of its JWK form (RFC 7518 section 6.2). */
async function keysOf(key_pem: string) {
  const { PemConverter } = await certificates()
  const [der] = PemConverter.decode(key_pem)
  if (!der) throw new Problem('invalid', 'expected a private key in PKCS #8, PEM')
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ECDSA, true, ['sign'])
  const { d: _secret, key_ops: _uses, ...half } = await webcrypto.subtle.exportKey('jwk', privateKey)
  const publicKey = await webcrypto.subtle.importKey('jwk', half, ECDSA, true, ['verify'])
  return { privateKey, publicKey }
}

const refused = z.object({ error: z.string() })

function enrolled(answer: unknown, key: string): Enrolled {
  const parsed = granted.safeParse(answer)
  if (!parsed.success)
    throw new Problem('corrupt', `the endpoint's answer is not a certificate: ${parsed.error.message}`)
  const { hub, generation, certificate, ca, expires_ms } = parsed.data
  return { hub, generation, expires_ms, tls: { key, cert: certificate, ca } }
}

type Asking = {
  readonly url: URL
  /** POST with it as JSON, GET without. */
  readonly body?: unknown
  readonly tls: Partial<ClientTls> & Pick<ClientTls, 'ca'>
  readonly now_ms: number
}

async function ask({ url, body, tls, now_ms }: Asking): Promise<unknown> {
  const https = await import('node:https')
  return await new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const lost = (error: Error) =>
      reject(
        new Problem('unavailable', `no answer from ${url.href}: ${error.message}`, {
          outcome: 'unknown',
          cause: error,
        }),
      )
    const host = hostOf(url)
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const port = Number(url.port || 443)
    const connection = { host, port, ...servername, minVersion: 'TLSv1.3', ...tls } as const
    const sent = https.request(
      url,
      {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
        timeout: ENROLMENT_TIMEOUT_MS,
        createConnection: () => connectChecked(connection, { now_ms, floor_ms: pastFor(tls.cert) }),
      },
      (answer) => {
        let said = ''
        answer.setEncoding('utf8')
        answer.on('error', lost)
        answer.on('data', (part: string) => {
          said += part
          if (said.length > ENROLMENT_ANSWER_MAX_BYTES) answer.destroy(new Error('the answer is too long'))
        })
        answer.on('end', () => {
          sent.destroy()
          try {
            if (answer.statusCode === 200) resolve(JSON.parse(said))
            else reject(refusal(answer.statusCode ?? 0, said))
          } catch (error) {
            lost(new Error(messageOf(error)))
          }
        })
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`nothing within ${ENROLMENT_TIMEOUT_MS} ms`)))
    sent.on('error', lost)
    sent.end(text)
  })
}

function refusal(status: number, said: string): Problem {
  const kind = status === 401 || status === 403 ? 'unauthorized' : status >= 500 ? 'unavailable' : 'invalid'
  return new Problem(kind, `the enrolment endpoint answered ${status}: ${messageIn(said).slice(0, 300)}`)
}

/** What a refusal says; the whole answer of something else than the endpoint. */
function messageIn(said: string): string {
  try {
    return refused.parse(JSON.parse(said)).error
  } catch {
    return said
  }
}
