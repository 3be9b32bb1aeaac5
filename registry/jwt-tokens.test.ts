import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { openJwtKeys } from './jwt-keys.ts'
import { type OutsideTokens, openOutsideTokens } from './jwt-tokens.ts'
import { JWKS_MAX_BYTES, JWKS_REFRESH_MS, JWKS_RETRY_MS, JWT_LIFE_MAX_S, JWT_MAX_CHARACTERS } from './limits.ts'

const ISSUER = 'https://login.example/'
const AUDIENCE = 'hearth-demo'
const TOLERANCE_S = 30
type Pair = Awaited<ReturnType<typeof generateKeyPair>>

let clock: ManualClock
let folder: string
let pair: Pair
let tokens: OutsideTokens
const now_s = () => Math.floor(clock.now() / 1000)
const noNote = () => undefined

async function jwk({ publicKey }: Pair, kid: string) {
  return { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }
}

const open = (keys: Awaited<ReturnType<typeof openJwtKeys>>) =>
  openOutsideTokens({ issuer: ISSUER, audience: AUDIENCE, tolerance_s: TOLERANCE_S, keys, clock })

beforeEach(async () => {
  clock = new ManualClock()
  folder = mkdtempSync(join(tmpdir(), 'hearth-jwt-'))
  pair = await generateKeyPair('ES256', { extractable: true })
  const file = join(folder, 'jwks.json')
  writeFileSync(file, JSON.stringify({ keys: [await jwk(pair, 'one')] }))
  tokens = open(await openJwtKeys({ file }, { clock, note: noNote }))
})
afterEach(() => rmSync(folder, { recursive: true }))

const good = (): JWTPayload => ({
  ...{ iss: ISSUER, aud: AUDIENCE, sub: 'panel-7', scope: 'openid commands observe', hubs: ['kitchen-1'] },
  ...{ iat: now_s(), exp: now_s() + 600 },
})
const sign = (payload: JWTPayload, { key = pair, kid = 'one' } = {}) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid }).sign(key.privateKey)
/** A token put together by hand: header and payload as they are given, the signature by whatever `by` makes of both. */
function forged(header: object, payload: object, by: (text: string) => string): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const text = `${encode(header)}.${encode(payload)}`
  return `${text}.${by(text)}`
}

test('a token says which app, which scopes, which hubs, until when', async () => {
  expect(await tokens.verify(await sign(good()))).toEqual({
    principal: { app: 'jwt.panel-7', scopes: ['commands', 'observe'], hubs: ['kitchen-1'] },
    expires_ms: (now_s() + 600 + TOLERANCE_S) * 1000,
  })
  const all = await tokens.verify(await sign({ ...good(), hubs: '*', sub: 'auth0|Some One' }))
  expect(all.principal).toEqual({ app: expect.stringMatching(/^jwt\.[0-9a-f]{32}$/), scopes: ['commands', 'observe'] })
  expect(tokens.isOne(await sign(good()))).toBe(true)
  expect(tokens.isOne('hearth_abc.def.ghi')).toBe(false)
  expect(tokens.isOne('something')).toBe(false)
})

test('no issuer elsewhere grants what is the registry’s: administration, telemetry, words of its own', async () => {
  const scopes = async (scope: string) => (await tokens.verify(await sign({ ...good(), scope }))).principal.scopes
  expect(await scopes('admin telemetry')).toEqual([])
  expect(await scopes('admin query commandsobserve')).toEqual(['query'])
  expect(await scopes('')).toEqual([])
})

test('a signature by another algorithm is none, whatever the token says of it', async () => {
  const spki = await exportSPKI(pair.publicKey)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = await generateKeyPair('ES256')
  const hmac = (secret: string) => (text: string) => createHmac('sha256', secret).update(text).digest('base64url')
  const payload = good()
  const bad: Record<string, string> = {
    none: forged({ alg: 'none' }, payload, () => ''),
    'None, in another spelling': forged({ alg: 'nOnE', kid: 'one' }, payload, () => ''),
    'HS256 by the public key': forged({ alg: 'HS256', kid: 'one' }, payload, hmac(spki)),
    'HS256 by the key set': forged({ alg: 'HS256', kid: 'one' }, payload, hmac(JSON.stringify(await jwk(pair, 'one')))),
    'HS256 by nothing': forged({ alg: 'HS256', kid: 'one' }, payload, hmac('')),
    RS256: forged({ alg: 'RS256', kid: 'one' }, payload, (text) =>
      createSign('RSA-SHA256').update(text).sign(rsa.privateKey).toString('base64url'),
    ),
    'ES256 by its own key': await sign(payload, { key: other }),
    'ES256 by a key in its header': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK(other.publicKey) })
      .sign(other.privateKey),
    'ES256 with a signature of zeros': forged({ alg: 'ES256', kid: 'one' }, payload, () => 'A'.repeat(86)),
    'ES256 with no signature': forged({ alg: 'ES256', kid: 'one' }, payload, () => ''),
    'an unknown critical header': forged({ alg: 'ES256', kid: 'one', crit: ['x'], x: 1 }, payload, () => 'AA'),
    'a key that is not there': await sign(payload, { kid: 'two' }),
  }
  for (const [what, token] of Object.entries(bad)) {
    await expect(tokens.verify(token), what).rejects.toMatchObject({ kind: 'unauthorized' })
  }
  const [head = '', , tail = ''] = (await sign(payload)).split('.')
  const changed = Buffer.from(JSON.stringify({ ...payload, hubs: '*' })).toString('base64url')
  await expect(tokens.verify(`${head}.${changed}.${tail}`)).rejects.toThrow(/not good/)
})

test('issuer, audience and times are looked at, clocks may differ a little, and a claim that is missing is no claim', async () => {
  const refuses = async (payload: JWTPayload, why: RegExp) => {
    await expect(tokens.verify(await sign(payload))).rejects.toThrow(why)
  }
  const accepts = async (payload: JWTPayload) => {
    await tokens.verify(await sign(payload))
  }
  await refuses({ ...good(), iss: 'https://login.example' }, /"iss"/)
  await refuses({ ...good(), aud: 'somebody-else' }, /"aud"/)
  await accepts({ ...good(), aud: ['somebody-else', AUDIENCE] })
  await accepts({ ...good(), exp: now_s() - TOLERANCE_S + 1 })
  await refuses({ ...good(), exp: now_s() - TOLERANCE_S }, /"exp"/)
  await accepts({ ...good(), nbf: now_s() + TOLERANCE_S })
  await refuses({ ...good(), nbf: now_s() + TOLERANCE_S + 1 }, /"nbf"/)
  await refuses({ ...good(), iat: now_s() + TOLERANCE_S + 1 }, /"iat"/)
  await refuses({ ...good(), iat: now_s() - JWT_LIFE_MAX_S - TOLERANCE_S - 1, exp: now_s() + 600 }, /"iat"/)
  for (const name of ['iss', 'aud', 'sub', 'exp', 'iat'] as const)
    await refuses({ ...good(), [name]: undefined }, new RegExp(name))
  await refuses({ ...good(), scope: undefined }, /scope/)
  await refuses({ ...good(), hubs: undefined }, /hubs/)
  await refuses({ ...good(), hubs: ['*'] }, /hubs/)
  await refuses({ ...good(), hubs: Array.from({ length: 1001 }, (_, i) => `h-${i}`) }, /hubs|characters/)
  await expect(tokens.verify('a.b.c')).rejects.toMatchObject({ kind: 'unauthorized' })
  await expect(tokens.verify(`${'a'.repeat(JWT_MAX_CHARACTERS)}.b.c`)).rejects.toThrow(/characters/)
})

test('keys that are none for ES256 are left out, and a file that has no other is refused by name', async () => {
  const file = join(folder, 'other.json')
  const asked = async (text: string) => {
    writeFileSync(file, text)
    return await openJwtKeys({ file }, { clock, note: noNote })
  }
  const rsa = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }), kid: 'r' }
  const oct = { kty: 'oct', k: 'AAAA', kid: 'one', alg: 'HS256' }
  expect((await asked(JSON.stringify({ keys: [rsa, oct, await jwk(pair, 'one')] }))).count).toBe(1)
  await expect(asked(JSON.stringify({ keys: [rsa, oct] }))).rejects.toThrow(
    /other\.json has no key for ES256.*of 2 keys/,
  )
  await expect(asked('{}')).rejects.toThrow(/no JSON Web Key Set/)
  await expect(asked('<html>')).rejects.toThrow(/not JSON/)
})

test('keys of a URL: new ones are heard of, an issuer that is away takes none away, and nobody makes us ask at each token', async () => {
  let answer: () => { status: number; body: string }
  let asked = 0
  const next = await generateKeyPair('ES256', { extractable: true })
  const both = JSON.stringify({ keys: [await jwk(pair, 'one'), await jwk(next, 'two')] })
  answer = () => ({ status: 503, body: '' })
  const server: Server = createServer((_request, response) => {
    asked++
    const { status, body } = answer()
    response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const notes: string[] = []
  const keys = await openJwtKeys({ url: `http://127.0.0.1:${port}/keys` }, { clock, note: (text) => notes.push(text) })
  const remote = open(keys)
  try {
    await expect(remote.verify(await sign(good()))).rejects.toMatchObject({ kind: 'unauthorized' })
    expect([notes.length, asked]).toEqual([1, 1])
    answer = () => ({ status: 200, body: JSON.stringify({ keys: [JSON.parse(both).keys[0]] }) })
    await clock.advance(JWKS_RETRY_MS)
    await keys.again()
    await remote.verify(await sign(good()))
    expect(notes).toHaveLength(2)

    answer = () => ({ status: 200, body: both })
    await clock.advance(JWKS_RETRY_MS - 1)
    const before = asked
    for (let i = 0; i < 5; i++)
      await expect(remote.verify(await sign(good(), { key: next, kid: 'two' }))).rejects.toThrow()
    expect(asked).toBe(before)
    await clock.advance(1)
    await remote.verify(await sign(good(), { key: next, kid: 'two' }))
    expect(asked).toBe(before + 1)

    for (const worse of [
      { status: 500, body: '' },
      { status: 200, body: '{"keys":[]}' },
      { status: 302, body: '' },
      { status: 200, body: ' '.repeat(JWKS_MAX_BYTES + 1) },
    ]) {
      answer = () => worse
      await clock.advance(JWKS_REFRESH_MS)
      await keys.again()
      await remote.verify(await sign({ ...good(), iat: now_s(), exp: now_s() + 60 }))
    }
    expect(keys.count).toBe(2)
    expect(notes.at(-1)).toMatch(/2 keys that are known stay good/)
  } finally {
    keys.close()
    server.close()
  }
})
