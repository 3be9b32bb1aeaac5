/** Two relays over real TLS on this machine; time stands still unless it is told to pass. */
import tls from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { startTcpProxy } from '../infra/tcp-proxy.ts'
import { testFleet } from '../link/fleet.fixture.ts'
import type { Authorise } from '../link/identity.ts'
import { ManualClock } from '../sim/clock.ts'
import {
  CLUSTER_BACK_OFF,
  PEER_ANSWER_MAX_MS,
  PEER_CONNECT_MAX_MS,
  PEER_OPEN_MAX,
  PEER_PING_MS,
  PEER_SILENT_MAX_MS,
} from './limits.ts'
import { frameOf, PEER_PROTOCOL } from './peer-frame.ts'

import {
  command,
  fleet,
  linksOf,
  listen,
  pair,
  problemOf,
  relay1,
  report,
  type Setup,
  soon,
} from './peer-link.fixture.ts'

test('commands and questions cross, and come back as they were answered', async () => {
  const asked: unknown[] = []
  const { peer, links, listener } = await pair({
    service: {
      issue: async (...all) => {
        asked.push(all)
        return { away: false, report }
      },
      find: async (id) => (id === 'known' ? { app: 'phone', report } : undefined),
    },
  })
  expect(await peer.issue(command, 'settled')).toEqual({ away: false, report })
  expect(asked).toEqual([[command, 'settled']])
  expect(await peer.find('known')).toEqual({ app: 'phone', report })
  expect(await peer.find('other')).toBeUndefined()
  expect([listener.count, links.sent, links.failed]).toEqual([1, 3, 0])
})

test('a hub that is away there is told so', async () => {
  const { peer } = await pair()
  expect(await peer.issue(command, 'accepted')).toEqual({ away: true })
})

test('a problem there is the same problem here', async () => {
  const limit = new Problem('limit', 'too many', { cause: { retry_after_ms: 700 } })
  const { peer } = await pair({ service: { issue: () => Promise.reject(limit) } })
  const found = await problemOf(peer.issue(command, 'settled'))
  expect(found).toMatchObject({
    kind: 'limit',
    outcome: 'did-not-happen',
    message: 'too many',
    cause: { retry_after_ms: 700 },
  })
})

test('many are under way on one connection, and answered in any order', async () => {
  const waiting: (() => void)[] = []
  const { peer, listener } = await pair({
    service: {
      find: (id) => new Promise((resolve) => waiting.push(() => resolve({ app: id, report }))),
    },
  })
  const asked = Array.from({ length: 200 }, (_, i) => peer.find(String(i)))
  await soon(() => expect(waiting).toHaveLength(200))
  for (const answer of waiting.reverse()) answer()
  expect((await Promise.all(asked)).map((found) => found?.app)).toEqual(asked.map((_, i) => String(i)))
  expect(listener.count).toBe(1)
})

test('so many and no more are under way', async () => {
  const { peer } = await pair({ service: { find: () => new Promise(() => undefined) } })
  for (let i = 0; i < PEER_OPEN_MAX; i++) peer.find('x').catch(() => undefined)
  expect(await problemOf(peer.find('x'))).toMatchObject({ kind: 'limit', outcome: 'did-not-happen' })
})

test.each<[string, () => Promise<Setup>, RegExp]>([
  ['a hub', async () => ({ tls: await fleet.hub('relay-1') }), /relay-1 is a hub, and only relays connect here/],
  ['another service', async () => ({ tls: await fleet.service('ingest') }), /ingest is a service, and only relays/],
  ['a relay of another fleet', async () => ({ fleet: 'another' }), /is of fleet test, not another/],
  [
    'a relay whose certificate was revoked',
    async () => ({ authorise: () => ({ ok: false, reason: 'its certificate was revoked' }) }),
    /its certificate was revoked/,
  ],
])('%s is not let in', async (_, make, reason) => {
  const { peer, turnedAway, listener } = await pair(await make())
  expect(await problemOf(peer.find('x'))).toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  expect(turnedAway).toEqual([expect.stringMatching(reason)])
  expect(listener.count).toBe(0)
})

test('a certificate that is of no use any more is cut from a connection that stands', async () => {
  let good = true
  const authorise: Authorise = () => (good ? { ok: true } : { ok: false, reason: 'revoked' })
  const { peer, listener } = await pair({ authorise })
  await peer.find('x')
  listener.recheck()
  expect(listener.count).toBe(1)
  good = false
  listener.recheck()
  await soon(() => expect(listener.count).toBe(0))
})

test('a relay that is not the one its address names is not spoken to', async () => {
  const { listener } = await listen({ host: '0.0.0.0' })
  const unnamed = linksOf(new ManualClock()).at(`127.0.0.2:${listener.port}`)
  expect(await problemOf(unnamed.find('x'))).toMatchObject({
    ...{ outcome: 'did-not-happen', message: expect.stringMatching(/does not match certificate's altnames/) },
  })
  const strangers = await testFleet()
  onTestFinished(() => strangers.close())
  const stranger = linksOf(new ManualClock(), { ...relay1, ca: strangers.ca })
  expect((await problemOf(stranger.at(`localhost:${listener.port}`).find('x'))).message).toMatch(/certificate/)
})

test('an address that is none is a relay that cannot be reached, again and again', async () => {
  const clock = new ManualClock()
  const peer = linksOf(clock).at('127.0.0.1:99999')
  for (let i = 0; i < 2; i++) {
    await expect(peer.find('x')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
    await clock.advance(CLUSTER_BACK_OFF.cap_ms)
  }
})

test('what was sent and not answered when the connection ends is unknown; then it is made again by itself', async () => {
  const { listener, close, clock, links, peer } = await pair({ service: { find: () => new Promise(() => undefined) } })
  const { port } = listener
  const asked = problemOf(peer.find('x'))
  await soon(() => expect(links.sent).toBe(1))
  await soon(() => expect(listener.count).toBe(1))
  await close()
  expect(await asked).toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  // Between two attempts it fails at once.
  expect(await problemOf(peer.find('y'))).toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  expect([links.sent, links.failed]).toEqual([1, 1])
  const { listener: again } = await listen({}, port)
  await soon(async () => {
    await clock.advance(CLUSTER_BACK_OFF.cap_ms)
    expect(again.count).toBe(1)
  })
  expect(await peer.find('z')).toBeUndefined()
})

test('a relay that goes away answers what it was asked, and is asked no more', async () => {
  let answer: (() => void) | undefined
  const { listener, peer, links } = await pair({
    service: {
      find: (id) =>
        new Promise((resolve) => {
          if (id === 'x') answer = () => resolve({ app: id, report })
          else resolve(undefined)
        }),
    },
  })
  const first = peer.find('x')
  await soon(() => expect(answer).toBeDefined())
  const closed = listener.close()
  await soon(async () =>
    expect(await problemOf(peer.find('y'))).toMatchObject({
      ...{ outcome: 'did-not-happen', message: expect.stringMatching(/it is shutting down/) },
    }),
  )
  answer?.()
  expect(await first).toMatchObject({ app: 'x' })
  await closed
  expect(links.failed).toBe(0)
})

test('an answer that does not come in its time is unknown', async () => {
  const { peer, clock, links } = await pair({ service: { find: () => new Promise(() => undefined) } })
  const asked = problemOf(peer.find('x'))
  await soon(() => expect(links.sent).toBe(1))
  await clock.advance(PEER_ANSWER_MAX_MS)
  expect(await asked).toMatchObject({ outcome: 'unknown', message: expect.stringMatching(/no answer in time/) })
})

test('a way on which nothing passes any more is found out by both', async () => {
  const theirs = new ManualClock()
  const { listener } = await listen({ clock: theirs, service: { find: async (id) => ({ app: id, report }) } })
  await using way = await startTcpProxy(listener)
  const clock = new ManualClock()
  const lost: string[] = []
  const peer = linksOf(clock, relay1, lost).at(`localhost:${way.port}`)
  expect(await peer.find('x')).toBeDefined()
  way.swallow = true
  for (let ms = 0; ms <= PEER_SILENT_MAX_MS + PEER_PING_MS; ms += PEER_PING_MS) await clock.advance(PEER_PING_MS)
  await soon(() => expect(lost).toEqual([`nothing came for ${PEER_SILENT_MAX_MS / 1000} s`]))
  for (let ms = 0; ms <= PEER_SILENT_MAX_MS + PEER_PING_MS; ms += PEER_PING_MS) await theirs.advance(PEER_PING_MS)
  await soon(() => expect(listener.count).toBe(0))
})

test('one on which signs of life pass stays', async () => {
  const theirs = new ManualClock()
  const { listener } = await listen({ clock: theirs })
  const clock = new ManualClock()
  const lost: string[] = []
  const peer = linksOf(clock, relay1, lost).at(`localhost:${listener.port}`)
  for (let i = 0; i < 20; i++) {
    await peer.find('x')
    await clock.advance(PEER_PING_MS)
    await theirs.advance(PEER_PING_MS)
  }
  expect(lost).toEqual([])
  expect(listener.count).toBe(1)
})

test('a command gets there with what is left of its time, and not after it', async () => {
  const theirs = new ManualClock()
  const left: number[] = []
  const { listener } = await listen({
    clock: theirs,
    service: {
      issue: async ({ deadline_ms }) => {
        left.push(deadline_ms)
        return { away: false, report }
      },
    },
  })
  await using way = await startTcpProxy(listener)
  const clock = new ManualClock()
  const links = linksOf(clock)
  const peer = links.at(`localhost:${way.port}`)
  await peer.issue(command, 'settled')
  // As if it lay on its way: the other side's clock went on, this one's did not.
  await theirs.advance(1_200)
  await peer.issue(command, 'settled')
  expect(left).toEqual([5_000, 3_800])
  await theirs.advance(3_800)
  expect(await problemOf(peer.issue(command, 'settled'))).toMatchObject({
    ...{ kind: 'unavailable', outcome: 'did-not-happen', message: expect.stringMatching(/past its time/) },
  })
  expect(left).toHaveLength(2)
})

test('who says nothing after the handshake is cut', async () => {
  const theirs = new ManualClock()
  const { listener } = await listen({ clock: theirs })
  const socket = tls.connect({ ...relay1, host: 'localhost', port: listener.port, ALPNProtocols: [PEER_PROTOCOL] })
  socket.on('error', () => undefined)
  await soon(() => expect(listener.count).toBe(1))
  await theirs.advance(PEER_CONNECT_MAX_MS)
  await soon(() => expect(listener.count).toBe(0))
})

test('a version that is too old is refused by name, on either side', async () => {
  const { listener } = await listen({ version: 3 })
  const older = await problemOf(linksOf(new ManualClock()).at(`localhost:${listener.port}`).find('x'))
  expect(older).toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  expect(older.message).toMatch(/relay-2 speaks version 3 between relays, relay-1 version 1: update it/)
  const { listener: old } = await listen({})
  const newer = linksOf(new ManualClock(), relay1, [], { version: 2 })
  const found = await problemOf(newer.at(`localhost:${old.port}`).find('x'))
  expect(found.message).toMatch(/relay-2 speaks version 1 between relays, this one version 2: update it/)
})

test.each([
  ['no frame', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['another first frame', frameOf({ ping: 1 })],
  [
    'a question that nobody knows',
    Buffer.concat([frameOf({ hearth_peer: 1, relay: 'relay-1', stamp: 0 }), frameOf({ n: 1, stamp: 0, do: 'it' })]),
  ],
])('%s ends the connection, and is told', async (_, bytes) => {
  const { listener, turnedAway } = await listen({})
  const socket = tls.connect({ ...relay1, host: 'localhost', port: listener.port, ALPNProtocols: [PEER_PROTOCOL] })
  socket.on('error', () => undefined)
  socket.on('data', () => undefined)
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await ended
  expect(turnedAway).toEqual([expect.stringMatching(/frame/)])
})
