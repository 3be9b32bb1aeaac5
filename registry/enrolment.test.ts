import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { Administration } from './administration.ts'
import { type Authority, createAuthority, createRequest } from './authority.ts'
import { openEnrolment } from './enrolment.ts'
import { CERTIFICATE_LIFE_MS, CERTIFICATES_A_DAY_MAX, ENROLMENT_BODY_MAX_BYTES, RENEWAL_GRACE_MS } from './limits.ts'
import { openSqliteRegistry } from './sqlite-registry.ts'

let folder: string
let clock: ManualClock
let registry: Administration
let authority: Authority
let answer: ReturnType<typeof openEnrolment>

const place = { home: 'h', region: 'eu', model: 'm', zone: 'UTC' }
const record = { hub: 'a', ...place, generation: 1, enrolled_ms: 1, maintenance: [] }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-enrol-'))
  clock = new ManualClock()
  const random = seededRandom(3)
  const layout = { epoch: 1, buckets: 4 }
  registry = openSqliteRegistry(join(folder, 'registry.db'), { fleet: 'demo', layout, clock, random })
  await registry.putHub(record, 1)
  const known = { fleet: 'demo', clock, random, record: registry.recordCertificate.bind(registry) }
  authority = await createAuthority(join(folder, 'ca'), known)
  answer = openEnrolment({ registry, authority, clock })
})
afterEach(async () => {
  await registry.close()
  await rm(folder, { recursive: true })
})

const post = (path: string, body: unknown, certificate_der?: Uint8Array) =>
  answer({
    method: 'POST',
    path,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(certificate_der ? { certificate_der } : {}),
  })

async function enrol(csr?: string, hub = 'a') {
  const csr_pem = csr ?? (await createRequest(hub)).csr_pem
  const { status, body } = await post('/v1/enrol', { code: await registry.createCode(hub), csr: csr_pem })
  expect(status).toBe(200)
  return new X509Certificate(String(body.certificate))
}

const identity = (certificate: X509Certificate, generation = 1) => ({
  source: 'a',
  generation,
  serial: certificate.serialNumber,
})

test('a code and a request become a certificate that the registry allows', async () => {
  const certificate = await enrol()
  expect(certificate.subjectAltName).toBe('URI:hearth://demo/hub/a/1')
  expect(registry.allows(identity(certificate))).toEqual({ ok: true })
})

test('a code whose answer was lost gives its device another certificate of the same generation', async () => {
  const { csr_pem } = await createRequest('a')
  const code = await registry.createCode('a')
  const answers = [await post('/v1/enrol', { code, csr: csr_pem }), await post('/v1/enrol', { code, csr: csr_pem })]
  expect(answers.map(({ status, body }) => [status, body.generation])).toEqual([
    [200, 1],
    [200, 1],
  ])
  const other = await post('/v1/enrol', { code, csr: (await createRequest('a')).csr_pem })
  expect(other).toMatchObject({ status: 401, body: { error: expect.stringContaining('another device') } })
})

test('enrolling anew raises the generation and ends the old certificate', async () => {
  const old = await enrol()
  const fresh = await enrol()
  expect(fresh.subjectAltName).toBe('URI:hearth://demo/hub/a/2')
  expect(registry.allows(identity(old)).ok).toBe(false)
  expect(registry.allows(identity(fresh, 2)).ok).toBe(true)
})

test('a bad request does not spend the code', async () => {
  const code = await registry.createCode('a')
  expect((await post('/v1/enrol', { code, csr: 'nonsense' })).status).toBe(400)
  expect((await post('/v1/enrol', '{')).status).toBe(400)
  expect((await post('/v1/enrol', { code })).status).toBe(400)
  expect((await post('/v1/enrol', ' '.repeat(ENROLMENT_BODY_MAX_BYTES + 1))).status).toBe(413)
  expect((await post('/v1/enrol', { code, csr: (await createRequest('a')).csr_pem })).status).toBe(200)
})

test('a certificate renews within its grace after the end, and not a moment later', async () => {
  const certificate = await enrol()
  const { csr_pem } = await createRequest('a')
  const renew = () => post('/v1/renew', { csr: csr_pem }, certificate.raw)
  expect((await renew()).status).toBe(200)
  clock.jump(CERTIFICATE_LIFE_MS + RENEWAL_GRACE_MS - 2000)
  expect((await renew()).status).toBe(200)
  clock.jump(4000)
  expect(await renew()).toMatchObject({
    status: 401,
    body: { error: expect.stringContaining('enrol with a new code') },
  })
})

test('a hub that renews without end is held back, however many at once, and no other; the day after it may again', async () => {
  const certificate = await enrol()
  const { csr_pem } = await createRequest('a')
  const renew = () => post('/v1/renew', { csr: csr_pem }, certificate.raw)
  const answers = await Promise.all(Array.from({ length: 2 * CERTIFICATES_A_DAY_MAX }, renew))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(CERTIFICATES_A_DAY_MAX - 1)
  expect(await renew()).toMatchObject({
    status: 503,
    body: { error: expect.stringMatching(/hub a got 24 certificates within 24 hours/) },
  })
  expect(registry.certificates('a')).toHaveLength(CERTIFICATES_A_DAY_MAX)
  await registry.putHub({ ...record, hub: 'b' }, 1)
  const other = await enrol(undefined, 'b')
  expect((await post('/v1/renew', { csr: (await createRequest('b')).csr_pem }, other.raw)).status).toBe(200)
  clock.jump(86_400_000)
  expect((await renew()).status).toBe(200)
})

test('whoever enrols a hub anew begins anew, however many certificates it had', async () => {
  const certificate = await enrol()
  const { csr_pem } = await createRequest('a')
  const renew = (der: Uint8Array) => post('/v1/renew', { csr: csr_pem }, der)
  while ((await renew(certificate.raw)).status === 200) continue
  const fresh = await enrol()
  expect((await renew(fresh.raw)).status).toBe(200)
})

test('a code that is said again and again gives no more certificates than that', async () => {
  const { csr_pem } = await createRequest('a')
  const code = await registry.createCode('a')
  const say = () => post('/v1/enrol', { code, csr: csr_pem })
  for (let i = 0; i < CERTIFICATES_A_DAY_MAX; i++) expect((await say()).status).toBe(200)
  expect((await say()).status).toBe(503)
})

test('renewal needs a certificate of this CA that is not revoked', async () => {
  const { csr_pem } = await createRequest('a')
  expect((await post('/v1/renew', { csr: csr_pem })).status).toBe(401)
  const record = () => Promise.resolve()
  const others = { fleet: 'demo', clock, random: seededRandom(9), record }
  const foreign = await (await createAuthority(join(folder, 'foreign'), others)).issueHub('a', 1)
  expect((await post('/v1/renew', { csr: csr_pem }, new X509Certificate(foreign.certificate_pem).raw)).status).toBe(401)
  const certificate = await enrol()
  await registry.revokeCertificate(certificate.serialNumber, 'stolen')
  expect(await post('/v1/renew', { csr: csr_pem }, certificate.raw)).toMatchObject({
    status: 401,
    body: { error: expect.stringContaining('stolen') },
  })
})

test('anything else is answered plainly', async () => {
  expect((await answer({ method: 'GET', path: '/v1/enrol', body: '' })).status).toBe(405)
  expect((await post('/v1/other', {})).status).toBe(404)
})
