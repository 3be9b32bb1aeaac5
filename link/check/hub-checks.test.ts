/** What is said of a hub that does not come, comes late, or sends nothing; cli/hub-check-listen.real.test.ts has hubs that do. */
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../../cli/machine.ts'
import { topics } from '../../contract/command.ts'
import { ManualClock } from '../../sim/clock.ts'
import { testFleet } from '../fleet.fixture.ts'
import { HUB_WAIT_MS } from '../limits.ts'
import { connectMqtt } from '../mqtt-connection.ts'
import { type Finding, runChecks } from './check.ts'
import { type HubBench, openHubBench } from './hub-bench.ts'
import { COMMAND_CHECKS, POWER_CHECKS } from './hub-checks.ts'
import { TELEMETRY_CHECKS } from './telemetry-checks.ts'

const CHECKS = [...COMMAND_CHECKS, ...TELEMETRY_CHECKS, ...POWER_CHECKS]
let fleet: Awaited<ReturnType<typeof testFleet>>
let other: Awaited<ReturnType<typeof testFleet>>
let clock: ManualClock
let bench: HubBench
let told: string[]
let stop: AbortController

beforeAll(async () => {
  ;[fleet, other] = await Promise.all([testFleet(), testFleet()])
})
beforeEach(async () => {
  clock = new ManualClock()
  told = []
  stop = new AbortController()
  bench = await openHubBench({
    ...{ host: '127.0.0.1', relay_port: 0, gateway_port: 0, tls: await fleet.server(), fleet: 'test' },
    ...{ hub: 'check-hub', generation: 1, device: 'lamp', set: { powered: true }, clock, random: machineRandom },
    ask: () => undefined,
    turnedAway: (at, reason) => told.push(`${at}: ${reason}`),
  })
})
afterEach(async () => {
  stop.abort()
  const closed = bench.close()
  await clock.advance(1_000)
  await closed
})
afterAll(() => {
  fleet.close()
  other.close()
})

const portOf = (url: string) => Number(new URL(url).port)
const named = (findings: readonly Finding[]) => ({
  failed: findings.filter(({ ok }) => !ok).map(({ check, seen }) => `${check}: ${seen}`),
  passed: findings.filter(({ ok, skipped }) => ok && !skipped).map(({ check }) => check),
})

/** A hub that subscribes to commands and does nothing with them. */
async function connectSilent() {
  const connection = connectMqtt({
    ...{ host: '127.0.0.1', port: portOf(bench.relayUrl), tls: await fleet.hub('check-hub'), hub: 'check-hub' },
    ...{ epoch: () => '1.1.1', clock: machineClock, random: machineRandom, signal: stop.signal },
    subscribe: [topics.command('check-hub')],
  })
  await expect.poll(() => connection.connected).toBe(true)
}

test('a hub that does not come is waited for once, fails the first check, and nothing passes on no data', async () => {
  const running = runChecks(CHECKS, bench, () => undefined)
  await clock.advance(HUB_WAIT_MS)
  expect(named(await running)).toEqual({
    failed: ['session.connect: the hub is not connected and subscribed'],
    passed: [],
  })
})

test('what was turned away is told, and is in what was found', async () => {
  const running = runChecks(CHECKS, bench, () => undefined)
  const foreign = await other.hub('check-hub')
  const socket = tls.connect({ host: '127.0.0.1', port: portOf(bench.relayUrl), ...foreign, ca: fleet.ca })
  socket.on('error', () => undefined)
  const reason = /relay: its certificate is not of this server's CA/
  await expect.poll(() => told).toEqual([expect.stringMatching(reason)])
  socket.destroy()
  await clock.advance(HUB_WAIT_MS)
  expect(named(await running).failed).toEqual([expect.stringMatching(reason)])
})

test('a hub that comes after all is looked at from then on', async () => {
  const waiting = bench.session()
  await clock.advance(HUB_WAIT_MS)
  expect([await waiting, bench.absent]).toEqual([undefined, true])
  await connectSilent()
  await expect.poll(() => bench.absent).toBe(false)
  expect((await bench.session())?.epoch).toBe('1.1.1')
})

test('of a hub that sends no batch the first check of telemetry fails, and the others are skipped', async () => {
  await connectSilent()
  const running = runChecks(TELEMETRY_CHECKS, bench, () => undefined)
  await clock.advance(HUB_WAIT_MS)
  expect(named(await running)).toEqual({ failed: ['telemetry.batch: none came'], passed: [] })
})
