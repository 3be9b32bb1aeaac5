import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { CertificateEntry } from './administration.ts'
import { type Authority, createAuthority } from './authority.ts'
import { caHash, readOrCreateRoots } from './authority-file.ts'
import { hubsBehind, rotate } from './authority-rotation.ts'
import { openEnrolment } from './enrolment.ts'
import { RENEWAL_GRACE_MS } from './limits.ts'
import { openSqliteRegistry } from './sqlite-registry.ts'

let folder: string
let authority: Authority
const options = { fleet: 'demo', clock: new ManualClock(), random: seededRandom(5) }
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-rotation-'))
  authority = await createAuthority(folder, { ...options, record: () => Promise.resolve() })
})
afterEach(() => rmSync(folder, { recursive: true }))

const caPem = () => readFileSync(join(folder, 'ca.pem'), 'utf8')
const trusted = () =>
  (caPem().match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem).fingerprint,
  )
const derOf = (pem: string) => new X509Certificate(pem).raw

test('a certificate is known as long as the CA that signed it is trusted, whichever signs meanwhile', async () => {
  const [old] = trusted()
  const first = derOf((await authority.issueHub('a', 1)).certificate_pem)
  const knows = (der: Uint8Array) => authority.identify(der).then(Boolean, () => false)
  expect(await authority.reload()).toBe(false)

  await rotate(folder, 'begin', options)
  expect(await authority.reload()).toBe(true)
  expect(authority.certificate_pem).toBe(caPem())
  const [signing, fresh] = trusted()
  expect(signing).toBe(old)
  const second = derOf((await authority.issueHub('a', 1)).certificate_pem)

  await rotate(folder, 'switch', options)
  await authority.reload()
  expect(trusted()).toEqual([fresh, old])
  const third = derOf((await authority.issueHub('a', 1)).certificate_pem)
  expect(await Promise.all([first, second, third].map(knows))).toEqual([true, true, true])

  await rotate(folder, 'end', options)
  await authority.reload()
  expect(trusted()).toEqual([fresh])
  expect(await Promise.all([first, second, third].map(knows))).toEqual([false, false, true])
  expect(readdirSync(folder).toSorted()).toEqual(['authority.pem', 'ca.pem'])
})

test('a step that was cut off anywhere is finished by the same step again', async () => {
  const keep = (name: string) => copyFileSync(join(folder, name), join(folder, `${name}.kept`))
  const bring = (name: string) => renameSync(join(folder, `${name}.kept`), join(folder, name))
  // Dead after its file was there, before ca.pem told of it.
  keep('ca.pem')
  await rotate(folder, 'begin', options)
  const begun = trusted()
  bring('ca.pem')
  await rotate(folder, 'begin', options)
  expect(trusted()).toEqual(begun)

  // Dead between keeping the old one and letting the new one sign.
  for (const name of ['authority.pem', 'next.pem', 'ca.pem']) keep(name)
  await rotate(folder, 'switch', options)
  const switched = trusted()
  expect(switched).toEqual(begun.toReversed())
  for (const name of ['authority.pem', 'next.pem', 'ca.pem']) bring(name)
  await authority.reload()
  expect(authority.certificate_pem).toBe(caPem())
  await rotate(folder, 'switch', options)
  expect(trusted()).toEqual(switched)

  // Dead with the old one gone, and still in ca.pem.
  keep('ca.pem')
  await rotate(folder, 'end', options)
  const ended = trusted()
  bring('ca.pem')
  expect(await rotate(folder, 'end', options)).toMatchObject({ phase: 'settled' })
  expect(trusted()).toEqual(ended)
})

test('steps out of their order are refused and change nothing', async () => {
  const all = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')])
  const refuses = async (step: 'begin' | 'switch' | 'end', why: RegExp) => {
    const before = all()
    await expect(rotate(folder, step, options)).rejects.toThrow(why)
    expect(all()).toEqual(before)
  }
  await refuses('switch', /no new CA yet/)
  await rotate(folder, 'begin', options)
  await refuses('end', /does not sign yet/)
  await rotate(folder, 'switch', options)
  await refuses('begin', /--end first/)
})

test('a hub is told when it says so by its certificate of the root that signs, whatever was sent to it', async () => {
  const { clock } = options
  const registry = openSqliteRegistry(join(folder, 'registry.db'), { ...options, layout: { epoch: 1, buckets: 4 } })
  try {
    const record = (entry: CertificateEntry) => registry.recordCertificate(entry)
    const ca = await createAuthority(join(folder, 'ca'), { ...options, record })
    const place = { home: 'h', region: 'eu', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 1, maintenance: [] }
    for (const hub of ['a', 'b', 'coded']) await registry.putHub({ hub, ...place }, 1)
    const answer = openEnrolment({ registry, authority: ca, clock })
    const say = async (pem: string, trusted: string) =>
      (
        await answer({
          ...{ method: 'POST', path: '/v1/trust', body: JSON.stringify({ ca_sha256: caHash(trusted) }) },
          certificate_der: derOf(pem),
        })
      ).body.told
    const behind = () => hubsBehind(registry, ca.certificate_pem, clock.now())
    const step = async (name: 'begin' | 'switch' | 'end') => {
      await rotate(join(folder, 'ca'), name, options)
      await ca.reload()
    }
    const settled = ca.certificate_pem
    const [a, b] = [await ca.issueHub('a', 1), await ca.issueHub('b', 1)]
    expect(await say(a.certificate_pem, settled)).toBe(true)

    await step('begin')
    const begun = ca.certificate_pem
    // It was sent another certificate and the new CAs, and nobody knows whether they came.
    await ca.issueHub('a', 1)
    expect(await behind()).toEqual(['a', 'b'])
    expect(await say(a.certificate_pem, settled)).toBe(false)
    expect(await behind()).toEqual(['a', 'b'])
    for (const { certificate_pem } of [a, a, b]) expect(await say(certificate_pem, begun)).toBe(true)
    expect(await behind()).toEqual([])

    await step('switch')
    const switched = ca.certificate_pem
    expect(await behind()).toEqual(['a', 'b'])
    expect(await say(a.certificate_pem, switched)).toBe(false)
    const fresh = await ca.issueHub('a', 1)
    expect(await say(fresh.certificate_pem, begun)).toBe(false)
    expect(await say(fresh.certificate_pem, switched)).toBe(true)
    expect(await behind()).toEqual(['b'])
    // Whoever is not let in by what it said by is not told.
    await registry.revokeCertificate(fresh.entry.serial, 'stolen')
    expect(await behind()).toEqual(['a', 'b'])
    await expect(say(fresh.certificate_pem, switched)).resolves.toBe(undefined)
    await registry.retireHub('a', clock.now())
    // One that is off may come back within its grace, and then needs a way in.
    clock.jump(b.entry.expires_ms + RENEWAL_GRACE_MS - clock.now() - 1)
    expect(await behind()).toEqual(['b'])
    clock.jump(1)
    expect(await behind()).toEqual([])
  } finally {
    await registry.close()
  }
})

test('a root whose file says what it said is not parsed again, one whose file says anything else is', async () => {
  const before = await readOrCreateRoots(folder, options)
  expect((await readOrCreateRoots(folder, options, before)).active).toBe(before.active)

  const file = join(folder, 'authority.pem')
  writeFileSync(file, `since_ms: 7\n${readFileSync(file, 'utf8')}`)
  const dated = await readOrCreateRoots(folder, options, before)
  expect(dated.active).not.toBe(before.active)
  expect(dated.active.since_ms).toBe(7)

  await rotate(folder, 'begin', options)
  const both = await readOrCreateRoots(folder, options, dated)
  expect(both.active).toBe(dated.active)
  expect(both.next?.certificate_pem).not.toBe(both.active.certificate_pem)
  writeFileSync(file, 'nothing')
  await expect(readOrCreateRoots(folder, options, both)).rejects.toThrow('holds no PRIVATE KEY')
})
