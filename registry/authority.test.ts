import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { CertificateEntry } from './administration.ts'
import { type AuthorityOptions, createAuthority, createRequest } from './authority.ts'

let folder = ''
const recorded: CertificateEntry[] = []
let seed = 0
const options = (fleet = 'demo'): AuthorityOptions => ({
  fleet,
  clock: new ManualClock(),
  random: seededRandom(seed++),
  record: async (entry) => void recorded.push(entry),
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-ca-'))
  recorded.length = 0
})
afterEach(() => rm(folder, { recursive: true }))

test('a hub certificate names fleet, role, hub and generation, and its serial is recorded', async () => {
  const authority = await createAuthority(folder, options())
  const { certificate_pem, key_pem, entry } = await authority.issueHub('kitchen-1', 3)
  const certificate = new X509Certificate(certificate_pem)
  expect(certificate.subjectAltName).toBe('URI:hearth://demo/hub/kitchen-1/3')
  expect(certificate.subject).toContain('CN=kitchen-1')
  expect(certificate.verify(new X509Certificate(authority.certificate_pem).publicKey)).toBe(true)
  expect(certificate.checkIssued(new X509Certificate(authority.certificate_pem))).toBe(true)
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
  expect(key_pem).toContain('BEGIN PRIVATE KEY')
  expect(recorded).toEqual([entry])
  expect(entry.serial).toBe(certificate.serialNumber)
})

test('a server certificate names the loopback addresses and what it is told', async () => {
  const authority = await createAuthority(folder, options())
  const { certificate_pem } = await authority.issueServer('relay-0', ['relay.example', '10.0.0.9'])
  const names = new X509Certificate(certificate_pem).subjectAltName ?? ''
  for (const name of ['DNS:localhost', 'IP Address:127.0.0.1', 'DNS:relay.example', 'IP Address:10.0.0.9']) {
    expect(names).toContain(name)
  }
})

test('making it twice, or at once, gives one CA, whose private key is for the owner alone', async () => {
  const made = await Promise.all([1, 2, 3].map(() => createAuthority(folder, options())))
  const again = await createAuthority(folder, options())
  expect(new Set([...made, again].map((authority) => authority.certificate_pem)).size).toBe(1)
  expect((await stat(join(folder, 'authority.pem'))).mode & 0o777).toBe(0o600)
  expect(await readFile(join(folder, 'ca.pem'), 'utf8')).toBe(again.certificate_pem)
  expect((await readdir(folder)).toSorted()).toEqual(['authority.pem', 'ca.pem'])
})

test('the CA of another fleet is refused by name', async () => {
  await createAuthority(folder, options())
  await expect(createAuthority(folder, options('other'))).rejects.toMatchObject({
    kind: 'conflict',
    message: expect.stringContaining('"demo"'),
  })
})

test('a request is signed for its key alone: the names are those of the identity', async () => {
  const authority = await createAuthority(folder, options())
  const { csr_pem } = await createRequest('somebody-else')
  const { certificate_pem } = await authority.signRequest({ role: 'hub', source: 'hub-1', generation: 1 }, csr_pem)
  const certificate = new X509Certificate(certificate_pem)
  expect(certificate.subjectAltName).toBe('URI:hearth://demo/hub/hub-1/1')
  expect(certificate.subject).not.toContain('somebody-else')
})

test('a request whose signature does not fit, or that is none, is invalid', async () => {
  const authority = await createAuthority(folder, options())
  const identity = { role: 'hub', source: 'hub-1', generation: 1 } as const
  const { csr_pem } = await createRequest('x')
  const der = Buffer.from(csr_pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const last = der.length - 1
  der[last] = (der[last] ?? 0) ^ 1
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  await expect(authority.signRequest(identity, forged)).rejects.toMatchObject({ kind: 'invalid' })
  await expect(authority.signRequest(identity, 'nonsense')).rejects.toMatchObject({ kind: 'invalid' })
  expect(recorded).toEqual([])
})

test('identify believes only what this CA signed', async () => {
  const authority = await createAuthority(folder, options())
  const other = await createAuthority(join(folder, 'other'), options())
  const mine = new X509Certificate((await authority.issueHub('hub-1', 2)).certificate_pem)
  const theirs = new X509Certificate((await other.issueHub('hub-1', 2)).certificate_pem)
  expect(await authority.identify(mine.raw)).toMatchObject({ role: 'hub', source: 'hub-1', generation: 2 })
  await expect(authority.identify(theirs.raw)).rejects.toMatchObject({ kind: 'unauthorized' })
  const server = new X509Certificate((await authority.issueServer('relay-0')).certificate_pem)
  await expect(authority.identify(server.raw)).rejects.toMatchObject({ kind: 'unauthorized' })
})
