/** Two relays over real TLS on this machine; time stands still unless it is told to pass. */
import { afterAll, beforeAll, onTestFinished, vi } from 'vitest'
import type { CommandReport } from '../contract/command.ts'
import type { Problem } from '../contract/problem.ts'
import { isProblem } from '../contract/problem.ts'
import { testFleet } from '../link/fleet.fixture.ts'
import type { Authorise } from '../link/identity.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { PEER_LEAVE_MAX_MS } from './limits.ts'
import { openPeerLinks, type PeerLinks } from './peer-link.ts'
import { listenForPeers } from './peer-listener.ts'
import type { ForwardedCommand, PeerService, PeerView } from './peers.ts'

export let fleet: Awaited<ReturnType<typeof testFleet>>
export let relay1: ClientTls
export let server: Awaited<ReturnType<typeof fleet.server>>
beforeAll(async () => {
  fleet = await testFleet()
  relay1 = await fleet.service('relay-1')
  server = await fleet.server()
})
afterAll(() => fleet.close())

export const command: ForwardedCommand = {
  ...{
    app: 'phone',
    hub: 'hub-1',
    device: 'lamp',
    set: { powered: true },
    deadline_ms: 5_000,
    key: 'k',
    day: '2026-11-24',
  },
}
export const report: CommandReport = {
  ...{ command: 'a'.repeat(32), hub: 'hub-1', device: 'lamp', set: { powered: true }, issued: 1, day: '2026-11-24' },
  ...{ deadline_ms: 5_000, outcome: 'done', stages: [{ stage: 'issued', by: 'relay', ms: 0 }], round_trip_ms: 1.5 },
}
export const idle: PeerService & PeerView = {
  watch: () => () => undefined,
  hubs: () => Promise.resolve([]),
  issue: () => Promise.resolve({ away: true }),
  find: () => Promise.resolve(undefined),
}
export const raise = (error: unknown) => {
  throw error
}

export type Setup = {
  readonly service?: Partial<PeerService & PeerView>
  readonly tls?: ClientTls
  readonly authorise?: Authorise
  readonly clock?: ManualClock
  readonly fleet?: string
  readonly version?: number
  readonly host?: string
}

export async function listen(setup: Setup, port = 0) {
  const clock = setup.clock ?? new ManualClock()
  const turnedAway: string[] = []
  const listener = await listenForPeers({
    ...{ host: setup.host ?? '127.0.0.1', port, relay: 'relay-2', fleet: setup.fleet ?? 'test', tls: server },
    ...{ clock, authorise: setup.authorise ?? (() => ({ ok: true })) },
    ...{ service: { ...idle, ...setup.service }, fault: raise, refused: (reason) => turnedAway.push(reason) },
    ...(setup.version !== undefined && { version: setup.version }),
  })
  const close = async () => {
    const closed = listener.close()
    await clock.advance(PEER_LEAVE_MAX_MS)
    await closed
  }
  onTestFinished(close)
  return { listener, turnedAway, close }
}

export function linksOf(
  clock: ManualClock,
  files: ClientTls = relay1,
  lost: string[] = [],
  more: { version?: number } = {},
): PeerLinks {
  const links = openPeerLinks({
    ...{
      relay: 'relay-1',
      tls: files,
      clock,
      random: seededRandom(1),
      lost: (_, reason) => lost.push(reason),
      ...more,
    },
  })
  onTestFinished(() => links.close())
  return links
}

/** A listener and a relay that asks it. */
export async function pair(setup: Setup = {}) {
  const { listener, turnedAway, close } = await listen(setup)
  const clock = new ManualClock()
  const links = linksOf(clock, setup.tls)
  return { listener, turnedAway, close, clock, links, peer: links.at(`localhost:${listener.port}`) }
}

export const problemOf = (asked: Promise<unknown>): Promise<Problem> =>
  asked.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => (isProblem(error) ? error : Promise.reject(error)),
  )

/** Once the sockets between them have had their time, which a busy machine takes. */
export const soon = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 10_000 })
