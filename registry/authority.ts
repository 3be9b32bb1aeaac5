import 'reflect-metadata' // @peculiar/x509's dependency injection needs it loaded first
import { createHash, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { Clock, Random } from '../contract/clock.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import type { Identity, Role } from '../contract/source.ts'
import type { CertificateEntry, CertificateRole } from './administration.ts'
import { normalSerial } from './administration.ts'
import { readOrCreateRoots, trustedPem } from './authority-file.ts'
import { CERTIFICATE_BACKDATE_MS, CERTIFICATE_LIFE_MS, CLAIM_LIFE_MS } from './limits.ts'

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A certificate that was signed just now, PEM. */
export type Issued = { readonly certificate_pem: string; readonly entry: CertificateEntry }
/** … and the private key that was made for it (PKCS #8, PEM); it is kept nowhere else. */
export type IssuedWithKey = Issued & { readonly key_pem: string }

/**
 * The fleet's certificate authority (ECDSA P-256). A certificate names its holder twice: CN = source id, and the SAN
 * URI `hearth://<fleet>/<role>/<source>/<generation>`, which is what Hearth reads. What it signs is recorded in the
 * registry before it is handed out, since an unknown serial is refused.
 */
export type Authority = {
  readonly fleet: string
  /** What every party trusts: the certificate of the root that signs, and those beside it while it is being replaced. */
  readonly certificate_pem: string
  /** Reads the CA's files again; true when another root signs, or others are trusted, than before. */
  reload(): Promise<boolean>
  issueHub(hub: string, generation: number): Promise<IssuedWithKey>
  issueService(service: string, generation?: number): Promise<IssuedWithKey>
  /** For an endpoint of Hearth; localhost, 127.0.0.1 and ::1 are always among its names. */
  issueServer(name: string, names?: readonly string[]): Promise<IssuedWithKey>
  /** For all devices of a batch together; `life_ms` from now. */
  issueClaim(batch: string, life_ms?: number): Promise<IssuedWithKey>
  /** For a key that its holder keeps: signs the request's public key, and nothing else of it. Raises `invalid`. */
  signRequest(identity: Identity, csr_pem: string): Promise<Issued>
  /**
   * Who a client certificate of this CA names, whatever its dates; `is_current`: the root that signs now signed it.
   * Raises `unauthorized` when the CA did not sign it.
   */
  identify(
    certificate_der: Uint8Array,
  ): Promise<Identity & { readonly serial: string; readonly expires_ms: number; readonly is_current: boolean }>
  /** The batch that a claim certificate is of. Raises `unauthorized` when it is none of this CA, or is over. */
  identifyClaim(certificate_der: Uint8Array): Promise<{ readonly batch: string; readonly serial: string }>
}

export type AuthorityOptions = {
  readonly fleet: string
  readonly clock: Clock
  readonly random: Random
  /** Writes the serial down; the registry's `recordCertificate`. */
  readonly record: (entry: CertificateEntry) => Promise<void>
}

/**
 * Opens the CA in `folder`, making it when there is none: `authority.pem` (private key and certificate, mode 0600) and
 * `ca.pem` (the certificate alone, for everyone); authority-rotation.ts has those beside them. Raises `conflict` for the CA of another fleet, `corrupt`.
 */
export async function createAuthority(folder: string, options: AuthorityOptions): Promise<Authority> {
  const { fleet, clock, random, record } = options
  let roots = await readOrCreateRoots(folder, options)

  const sign = async (
    role: CertificateRole,
    source: string,
    generation: number,
    publicKey: x509.PublicKeyType,
    names: x509.JsonGeneralNames,
    life_ms = CERTIFICATE_LIFE_MS,
  ): Promise<Issued> => {
    const now_ms = clock.now()
    const signer = roots.active
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: newSerial(random),
      subject: [{ CN: [source] }, { O: [fleet] }],
      issuer: signer.certificate.subjectName,
      notBefore: new Date(now_ms - CERTIFICATE_BACKDATE_MS),
      notAfter: new Date(now_ms + life_ms),
      publicKey,
      signingKey: signer.key,
      signingAlgorithm: ECDSA,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          role === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
        ]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(signer.certificate),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    })
    const serial = normalSerial(certificate.serialNumber)
    const expires_ms = certificate.notAfter.getTime()
    const entry = { serial, source, role, generation, issued_ms: now_ms, expires_ms }
    await record(entry)
    return { certificate_pem: `${certificate.toString('pem')}\n`, entry }
  }

  const issue = async (
    role: CertificateRole,
    source: string,
    generation: number,
    names: x509.JsonGeneralNames,
    life_ms?: number,
  ) => {
    const keys = await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
    const issued = await sign(role, source, generation, keys.publicKey, names, life_ms)
    return { ...issued, key_pem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` }
  }

  const signedHere = async (der: Uint8Array) => {
    const certificate = new x509.X509Certificate(Buffer.from(der))
    for (const root of [roots.active, roots.previous, roots.next]) {
      if (root && (await certificate.verify({ publicKey: root.certificate.publicKey, signatureOnly: true })))
        return { certificate, is_current: root === roots.active }
    }
    throw new Problem('unauthorized', `the client certificate was not signed by the CA of fleet ${fleet}`)
  }

  return {
    fleet,
    get certificate_pem() {
      return trustedPem(roots)
    },
    async reload() {
      const before = trustedPem(roots)
      roots = await readOrCreateRoots(folder, options, roots)
      return trustedPem(roots) !== before
    },
    issueHub: (hub, generation) => issue('hub', hub, generation, sanOf(fleet, 'hub', hub, generation)),
    issueService: (service, generation = 1) =>
      issue('service', service, generation, sanOf(fleet, 'service', service, generation)),
    issueClaim: (batch, life_ms = CLAIM_LIFE_MS) => issue('claim', batch, 1, sanOf(fleet, 'claim', batch, 1), life_ms),
    issueServer: (name, names = []) =>
      issue(
        'server',
        name,
        1,
        [...new Set(['localhost', '127.0.0.1', '::1', ...names])].map((value) => ({
          type: isIP(value) ? 'ip' : 'dns',
          value,
        })),
      ),
    async signRequest({ role, source, generation }, csr_pem) {
      const publicKey = await publicKeyOf(csr_pem)
      return sign(role, source, generation, publicKey, sanOf(fleet, role, source, generation))
    },
    async identifyClaim(certificate_der) {
      const { certificate } = await signedHere(certificate_der)
      const { role, source } = nameOf(certificate, fleet)
      if (role !== 'claim')
        throw new Problem('unauthorized', `expected the claim certificate of a batch, found ${role} ${source}`)
      const ends = certificate.notAfter
      if (ends.getTime() < clock.now()) {
        throw new Problem('unauthorized', `the claim certificate of batch ${source} ended at ${ends.toISOString()}`)
      }
      return { batch: source, serial: normalSerial(certificate.serialNumber) }
    },
    async identify(certificate_der) {
      const { certificate, is_current } = await signedHere(certificate_der)
      const { role, source, generation } = nameOf(certificate, fleet)
      if (role === 'claim')
        throw new Problem('unauthorized', `a claim certificate is for /v1/claim alone (batch ${source})`)
      return {
        ...{ role, source, generation },
        serial: normalSerial(certificate.serialNumber),
        expires_ms: certificate.notAfter.getTime(),
        is_current,
      }
    },
  }
}

/** SHA-256 of a request's public key: the same for every request that a device makes with the same key. */
export async function requestKeyHash(csr_pem: string): Promise<string> {
  const key = await publicKeyOf(csr_pem)
  return createHash('sha256').update(Buffer.from(key.rawData)).digest('hex')
}

/** Makes a key and a request for it: what a hub does to enrol. The subject is a courtesy; the CA ignores it. */
export async function createRequest(name: string): Promise<{ readonly csr_pem: string; readonly key_pem: string }> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: ECDSA,
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    csr_pem: `${request.toString('pem')}\n`,
    key_pem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
  }
}

/** The request's key, once its signature has proved that the sender holds it. */
async function publicKeyOf(csr_pem: string): Promise<x509.PublicKey> {
  const request = parse(csr_pem)
  const { name } = request.publicKey.algorithm
  const curve = 'namedCurve' in request.publicKey.algorithm ? request.publicKey.algorithm.namedCurve : undefined
  if (name !== 'ECDSA' || curve !== 'P-256') {
    throw new Problem('invalid', `expected a request for an ECDSA P-256 key, found ${name} ${String(curve ?? '')}`)
  }
  if (!(await request.verify())) {
    throw new Problem('invalid', "the request's signature does not fit its key: sign it with the key it is for")
  }
  return request.publicKey
}

function parse(csr_pem: string): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(csr_pem)
  } catch (error) {
    throw new Problem('invalid', `expected a certificate signing request (PKCS #10, PEM): ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function sanOf(fleet: string, role: Role | 'claim', source: string, generation: number): x509.JsonGeneralNames {
  return [{ type: 'url', value: `hearth://${fleet}/${role}/${source}/${generation}` }]
}

type Name = { readonly role: Role | 'claim'; readonly source: string; readonly generation: number }

function nameOf(certificate: x509.X509Certificate, fleet: string): Name {
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? []
  const uri = names.find((name) => name.type === 'url')?.value ?? ''
  const prefix = `hearth://${fleet}/`
  const rest = uri.startsWith(prefix) ? uri.slice(prefix.length) : ''
  const [, role, source = '', generation] = /^(hub|service|claim)\/([^/]+)\/(\d{1,9})$/.exec(rest) ?? []
  if (role !== 'hub' && role !== 'service' && role !== 'claim') {
    throw new Problem(
      'unauthorized',
      `the client certificate names no hub or service of fleet ${fleet} (SAN ${JSON.stringify(uri)})`,
    )
  }
  return { role, source, generation: Number(generation) }
}

/** 128 bits, positive, without leading zeros, so that every library writes it the same (RFC 5280 section 4.1.2.2). */
function newSerial(random: Random): string {
  const bytes = random.bytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return Buffer.from(bytes).toString('hex')
}
