import 'reflect-metadata'
import { hash, webcrypto } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { AUTHORITY_LIFE_MS, CERTIFICATE_BACKDATE_MS } from './limits.ts'

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export type Root = {
  readonly key: webcrypto.CryptoKey
  readonly certificate: x509.X509Certificate
  readonly certificate_pem: string
  /** What its file says before the key: when it became what it is, ms since 1970; 0 where it says nothing. */
  readonly since_ms: number
  /** SHA-256 of the file's text, hex: they are looked at every two seconds, and to parse a root takes 4 ms of a relay's thread. */
  readonly file_hash: string
}

/** The root that signs, and while it is being replaced the one to come or the one before: all of them are trusted. */
export type Roots = { readonly active: Root; readonly next?: Root; readonly previous?: Root }

/** Files of the CA's folder. */
export const AUTHORITY_FILES = {
  active: 'authority.pem',
  next: 'next.pem',
  previous: 'previous.pem',
  /** The certificates alone, that of the root that signs first: for everyone. */
  trusted: 'ca.pem',
} as const

export type RootOptions = { readonly fleet: string; readonly clock: Clock; readonly random: Random }

/**
 * Reads the CA of a folder, or makes one. Of several processes that make one at once, one wins and all read it. What is as `known`, the
 * roots of an earlier reading, is not parsed again.
 */
export async function readOrCreateRoots(folder: string, options: RootOptions, known?: Roots): Promise<Roots> {
  const path = join(folder, AUTHORITY_FILES.active)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (!(await exists(path))) await publish(path, await makeRoot(options), 0o600, options.random)
    const roots = await readRoots(folder, options.fleet, known)
    const publicPath = join(folder, AUTHORITY_FILES.trusted)
    if (!(await exists(publicPath))) await publish(publicPath, trustedPem(roots), 0o644, options.random)
    return roots
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('unavailable', `the CA folder ${folder} cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

async function readRoots(folder: string, fleet: string, known?: Roots): Promise<Roots> {
  const optional = async (name: 'next' | 'previous') => {
    const path = join(folder, AUTHORITY_FILES[name])
    return (await exists(path)) ? { [name]: await parseRoot(path, fleet, known) } : {}
  }
  // The active one last: at the moment of a switch the other two have what it was and what it will be.
  const others = { ...(await optional('next')), ...(await optional('previous')) }
  return { active: await parseRoot(join(folder, AUTHORITY_FILES.active), fleet, known), ...others }
}

/** PEM of every root that is trusted, the one that signs first, each once. */
export function trustedPem({ active, next, previous }: Roots): string {
  return [...new Set([active, previous, next].map((root) => root?.certificate_pem ?? ''))].join('')
}

/** What a hub says of the CAs that it trusts: SHA-256 of their PEM as it was given to it, hex. */
export function caHash(ca_pem: string): string {
  return hash('sha256', ca_pem)
}

export async function makeRoot({ fleet, clock, random }: RootOptions): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
  const serial = random.bytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: Buffer.from(serial).toString('hex'),
    name: [{ CN: [`Hearth CA of ${fleet}`] }, { O: [fleet] }],
    notBefore: new Date(clock.now() - CERTIFICATE_BACKDATE_MS),
    notAfter: new Date(clock.now() + AUTHORITY_LIFE_MS),
    keys,
    signingAlgorithm: ECDSA,
    extensions: [
      // It signs leaves and no further CA.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n${certificate.toString('pem')}\n`
}

async function parseRoot(path: string, fleet: string, known?: Roots): Promise<Root> {
  const pem = await readFile(path, 'utf8')
  const file_hash = hash('sha256', pem)
  const same = Object.values(known ?? {}).find((root) => root.file_hash === file_hash)
  if (same) return same
  const [key, certificate] = [part(pem, 'PRIVATE KEY', path), part(pem, 'CERTIFICATE', path)]
  const parsed = new x509.X509Certificate(certificate)
  const found = parsed.subjectName.getField('O')[0]
  if (found !== fleet) {
    throw new Problem(
      'conflict',
      `${path} is the CA of fleet ${JSON.stringify(found)}, this process is of fleet ${JSON.stringify(fleet)}: correct \`fleet\` in hearth.yaml, or use another folder`,
    )
  }
  return {
    key: await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), ECDSA, false, ['sign']),
    certificate: parsed,
    certificate_pem: `${parsed.toString('pem')}\n`,
    since_ms: Number(/^since_ms: (\d+)$/m.exec(pem)?.[1] ?? 0),
    file_hash,
  }
}

function part(pem: string, label: string, path: string): string {
  const match = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(pem)
  if (match) return match[0]
  throw new Problem(
    'corrupt',
    `${path} holds no ${label}: restore it from a copy; without it no certificate can be made`,
  )
}

export async function exists(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r')).close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** Whole under its final name, and both synced, or not there; the first to publish wins. */
export async function publish(path: string, content: string, mode: number, random: Random): Promise<void> {
  const temporary = `${path}.${randomHex(random, 4)}.tmp`
  const file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(dirname(path))
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
