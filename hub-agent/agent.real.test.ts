import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import type { BatchHeader } from '../contract/batch.ts'
import { commandHash, type HubBound, relayBound, topics } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'
import { parseBoot } from '../contract/source.ts'
import { unpack } from '../link/batch-codec.ts'
import { testFleet } from '../link/fleet.fixture.ts'
import { type MemoryDisk, memoryDisk } from '../link/memory-disk.ts'
import { listenMqtt, type MqttEndpoint } from '../link/mqtt-endpoint.ts'
import { listenTelemetry, type TelemetryEndpoint } from '../link/telemetry-endpoint.ts'
import { type Agent, type AgentFact, startAgent } from './agent.ts'
import { simulatedHome } from './simulated-home.ts'

const clock = machineClock
const random = machineRandom
let fleet: Awaited<ReturnType<typeof testFleet>>
let relay: MqttEndpoint
let gateway: TelemetryEndpoint
let told: ReturnType<typeof relayBound.parse>[]
let batches: { header: BatchHeader; events: Event[] }[]
let facts: AgentFact[]

beforeEach(async () => {
  fleet = await testFleet()
  told = []
  batches = []
  facts = []
  const tls = await fleet.server()
  const authorise = () => ({ ok: true }) as const
  relay = await listenMqtt({
    ...{ host: '127.0.0.1', port: 0, tls, clock, authorise },
    publishTopics: ({ source }) => [topics.result(source)],
    subscribeTopics: ({ source }) => [topics.command(source)],
    handler: {
      message(_session, { payload }) {
        told.push(relayBound.parse(JSON.parse(payload.toString())))
        return undefined
      },
    },
  })
  gateway = await listenTelemetry({
    ...{ mqtt: { host: '127.0.0.1', port: 0 }, https: { host: '127.0.0.1', port: 0 }, tls, clock, authorise },
    async receive(_identity, bytes) {
      const [header = '', ...lines] = unpack(bytes).toString().trimEnd().split('\n')
      batches.push({ header: JSON.parse(header), events: lines.map((line): Event => JSON.parse(line)) })
      return { kind: 'durable' }
    },
  })
})

afterEach(async () => {
  await gateway.close()
  await relay.close()
  fleet.close()
})

async function start(disk: MemoryDisk, over: 'mqtt' | 'https' = 'mqtt', floor = 0): Promise<Agent> {
  return startAgent({
    ...{ hub: 'h1', floor, generation: 1, firmware: '4.2.0', tls: await fleet.hub('h1'), disk, clock, random },
    devices: simulatedHome({ clock, random }),
    relay: { host: '127.0.0.1', port: relay.port },
    gateway: over === 'mqtt' ? { host: '127.0.0.1', port: gateway.mqtt.port } : { url: gateway.httpsUrl },
    notice: (fact) => facts.push(fact),
  })
}

function send(id: string): void {
  const what = { device: 'kitchen-lamp', set: { powered: true } }
  const session = relay.session('h1')
  if (!session) throw new Error('expected a session of h1')
  const about = { command: id, hash: commandHash(what), issued: clock.now(), stamp: clock.monotonic(), left_ms: 5_000 }
  const message: HubBound = { hearth: 1, type: 'command', ...what, ...about, epoch: session.epoch }
  session.publish(topics.command('h1'), Buffer.from(JSON.stringify(message)))
}

const connected = (to: 'relay' | 'gateway') =>
  vi.waitFor(() => expect(facts.some((fact) => fact.fact === 'connected' && fact.to === to)).toBe(true), 10_000)
const events = () => batches.flatMap((batch) => batch.events)

describe('an agent', () => {
  it('carries out a command over mutual TLS, and tells relay, apps and telemetry of it', async () => {
    const agent = await start(memoryDisk())
    await connected('relay')
    send('a')
    await vi.waitFor(
      () => expect(told).toContainEqual(expect.objectContaining({ command: 'a', stage: 'executed' })),
      5_000,
    )
    await vi.waitFor(() =>
      expect(told).toContainEqual(expect.objectContaining({ type: 'state', set: { powered: true } })),
    )
    await connected('gateway')
    await agent.close()
    const stages = events().filter((event) => event.kind === 'command')
    expect(stages.map((event) => event.stage)).toEqual(['received', 'executed'])
    expect(events().some((event) => event.kind === 'reading' && event.device === 'kitchen-lamp')).toBe(true)
    expect(events().some((event) => event.kind === 'health' && event.queue === 0)).toBe(true)
    expect(batches[0]?.header.now).toBeGreaterThan(0)
  })

  it('sends over HTTPS as well', async () => {
    const agent = await start(memoryDisk(), 'https')
    await agent.flush()
    expect(events().some((event) => event.kind === 'health')).toBe(true)
    await agent.close()
  })

  it('tells of a boot that did not end cleanly, once, and of none that did', async () => {
    const disk = memoryDisk()
    const first = await start(disk)
    await first.flush()
    // Killed: its disk is taken from under it.
    const after = disk.kill()
    const crashed = first.boot()
    const second = await start(after)
    await second.flush()
    expect(events()).toContainEqual(expect.objectContaining({ kind: 'crash', boot: crashed }))
    await second.close()
    batches.length = 0
    const third = await start(after)
    await third.flush()
    expect(events().filter((event) => event.kind === 'crash')).toEqual([])
    await third.close()
    await first.close().catch(() => undefined)
  })

  it('begins above the highest boot that the cloud is known to have', async () => {
    const agent = await start(memoryDisk(), 'mqtt', 41)
    expect(parseBoot(agent.boot()).counter).toBe(42)
    await agent.flush()
    expect(batches[0]?.header.boot).toBe(agent.boot())
    await agent.close()
  })

  it('closes within its limit when nobody answers, and keeps what it has', async () => {
    await gateway.close()
    const agent = await start(memoryDisk())
    const began_ms = clock.monotonic()
    await agent.close(300)
    expect(clock.monotonic() - began_ms).toBeLessThan(3_000)
  })
})
