/**
 * What runs on a hub: devices in, events out, commands back. Control and telemetry are two connections, so that
 * back-pressure on one never stalls the other; both speak from one outbox on one disk, which a pulled plug cannot tear.
 */
import { type Clock, type Random, sleep } from '../contract/clock.ts'
import { hubBound, type RelayBound, topics } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { type HubStream, parseEpoch } from '../contract/source.ts'
import type { Disk } from '../link/disk.ts'
import { type ClientTls, connectMqtt, type Endpoint } from '../link/mqtt-connection.ts'
import { type Outbox, openOutbox } from '../link/outbox.ts'
import { shipOutbox } from '../link/ship-outbox.ts'
import type { Devices, Report } from './devices.ts'
import { pastFor } from './enrolment.ts'
import { openExecutor } from './executor.ts'
import {
  CONTROL_MAX_BYTES,
  DRAIN_MAX_MS,
  GOODBYE_MAX_MS,
  HEALTH_INTERVAL_MS,
  READINGS_MAX_BYTES,
  RESULTS_WAITING_MAX,
} from './limits.ts'

export const AGENT_VERSION = '1.0.0'

export type AgentOptions = {
  readonly hub: string
  /** Of the enrolment, as the certificate says. */
  readonly generation: number
  readonly firmware: string
  readonly tls: ClientTls
  /** Outbox, command journal and the mark of a clean end. The caller closes it after the agent. */
  readonly disk: Disk
  readonly devices: Devices
  readonly clock: Clock
  readonly random: Random
  /** Absent: a hub without commands, as one that replays a recording. */
  readonly relay?: Endpoint & { readonly others?: readonly Endpoint[] }
  readonly gateway: Endpoint | { readonly url: string }
  readonly health_ms?: number
  /** Strength of the Wi-Fi, where the hub can tell. */
  readonly rssi_dbm?: () => number
  /** Boots of this hub up to here are known to be in the cloud. */
  readonly floor?: number
  /** Notable facts, for a log. */
  readonly notice?: (fact: AgentFact) => void
}

export type AgentFact =
  | { readonly fact: 'boot'; readonly boot: string; readonly crashed: boolean }
  | { readonly fact: 'connected'; readonly to: 'relay' | 'gateway'; readonly epoch: string }
  | { readonly fact: 'disconnected'; readonly from: 'relay' | 'gateway'; readonly reason: string }
  /** Told of the first failed attempt of several. */
  | { readonly fact: 'unreachable'; readonly to: 'relay' | 'gateway'; readonly at: string; readonly reason: string }
  | {
      readonly fact: 'refused'
      readonly boot: string
      readonly stream: string
      readonly first: number
      readonly reason: string
    }
  | { readonly fact: 'fault'; readonly message: string }

export type Agent = {
  boot(): string
  readonly outbox: Outbox
  /** Resolves when everything gathered so far is acknowledged. */
  flush(): Promise<void>
  /** Ends what runs, sends what it can within `drain_ms`, and marks the boot as cleanly ended. */
  close(drain_ms?: number): Promise<void>
}

const RUNNING = 'agent/running'

/** Starts a boot. Raises what `openOutbox` and `openExecutor` raise; the network's faults are waited out. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { hub, disk, devices, clock, random, tls, generation } = options
  const notice = options.notice ?? (() => undefined)
  const fault = (error: unknown) => notice({ fact: 'fault', message: messageOf(error) })
  const origin_ms = clock.monotonic()
  const outbox = await openOutbox({
    disk,
    clock,
    random,
    source: hub,
    generation,
    firmware: options.firmware,
    agent: AGENT_VERSION,
    streams: [
      { name: 'control', max_bytes: CONTROL_MAX_BYTES },
      { name: 'readings', max_bytes: READINGS_MAX_BYTES },
    ],
    ...(options.floor === undefined ? {} : { floor: options.floor }),
  })
  const record = (stream: HubStream, event: Event) => {
    try {
      outbox.append(stream, event)
    } catch (error) {
      fault(error)
    }
  }
  const m = () => Math.round(outbox.m() * 1000) / 1000

  const before = disk.get(RUNNING)
  if (before) {
    const boot = Buffer.from(before).toString()
    record('control', { m: m(), kind: 'crash', reason: 'the boot before did not end cleanly', boot })
  }
  disk.write([{ put: RUNNING, value: Buffer.from(outbox.boot()) }])
  notice({ fact: 'boot', boot: outbox.boot(), crashed: before !== undefined })
  const raise = async (floor: number) => {
    const boot = await outbox.raise(floor)
    disk.write([{ put: RUNNING, value: Buffer.from(boot) }])
  }

  /** Aborted when the agent closes: first control, then, when the outbox is drained, telemetry. */
  const control = new AbortController()
  const telemetry = new AbortController()

  const results: Extract<RelayBound, { type: 'result' }>[] = []
  const keepResult = (result: Extract<RelayBound, { type: 'result' }>) => {
    results.push(result)
    if (results.length > RESULTS_WAITING_MAX) results.shift()
  }
  const tell = (result: Extract<RelayBound, { type: 'result' }>) => {
    if (!relay?.connected) {
      keepResult(result)
      return
    }
    const bytes = Buffer.from(JSON.stringify(result))
    // What follows says as much, and the control stream has it: it is worth no answer of the relay.
    if (result.stage === 'received' && relay.send(topics.result(hub), bytes)) return
    relay.publish(topics.result(hub), bytes, control.signal).catch(() => {
      // Unknown whether the relay has it; telling it twice does no harm.
      keepResult(result)
    })
  }
  let relay: ReturnType<typeof connectMqtt> | undefined
  const executor = openExecutor({
    disk,
    devices,
    clock,
    origin_ms,
    tell,
    record: (event) => record('control', event),
    fault,
  })
  relay =
    options.relay &&
    connectMqtt({
      ...options.relay,
      tls,
      floor_ms: () => pastFor(tls.cert),
      hub,
      clock,
      random,
      signal: control.signal,
      subscribe: [topics.command(hub)],
      epoch() {
        const epoch = outbox.nextEpoch()
        // Before the connection: the relay's first stamp may come with its first packet.
        executor.begin(parseEpoch(epoch))
        return epoch
      },
      floor: raise,
      subscribing: () => executor.listens(),
      connected(epoch) {
        notice({ fact: 'connected', to: 'relay', epoch })
        for (const result of results.splice(0)) tell(result)
      },
      disconnected: (reason) => notice({ fact: 'disconnected', from: 'relay', reason }),
      unreachable: (at, reason) => notice({ fact: 'unreachable', to: 'relay', at, reason }),
      message(_topic, payload) {
        const message = read(payload)
        if (message instanceof Problem) fault(message)
        else executor.receive(message)
      },
    })

  const transport = await openTransport(options, { outbox, signal: telemetry.signal, notice, raise })
  const shipper = shipOutbox({
    outbox,
    clock,
    random,
    signal: telemetry.signal,
    send: transport.send,
    refused: ({ boot, stream, first }, reason) => notice({ fact: 'refused', boot, stream, first, reason }),
  })

  const hear = (report: Report) => {
    record('readings', readingOf(report, m()))
    const state = {
      hearth: 1,
      type: 'state',
      device: report.device,
      set: { [report.attribute]: report.value },
    } as const
    relay?.send(topics.result(hub), Buffer.from(JSON.stringify(state satisfies RelayBound)))
  }
  const unsubscribe = devices.subscribe(hear)

  let cancelHealth: () => void = () => undefined
  const health = () => {
    const queue = outbox.status().reduce((sum, stream) => sum + stream.events, 0)
    const rssi_dbm = options.rssi_dbm?.()
    const uptime_ms = Math.round(outbox.m())
    record('control', { m: m(), kind: 'health', uptime_ms, queue, ...(rssi_dbm === undefined ? {} : { rssi_dbm }) })
    cancelHealth = clock.timer(options.health_ms ?? HEALTH_INTERVAL_MS, health)
  }
  health()

  let closing: Promise<void> | undefined
  const close = async (drain_ms: number) => {
    cancelHealth()
    unsubscribe()
    const patience = new AbortController()
    const limit = sleep(clock, drain_ms, patience.signal).catch(() => undefined)
    await Promise.race([executor.close(), limit])
    control.abort()
    await Promise.race([shipper.flush(), limit])
    patience.abort()
    telemetry.abort()
    await devices.close()
    // A connection that is being made may take its time to give up; the agent owes it nothing any more.
    const gone = Promise.all([relay?.done, shipper.done, transport.close()])
    await Promise.race([gone, sleep(clock, GOODBYE_MAX_MS)])
    disk.write([{ delete: RUNNING }])
    await disk.sync()
  }
  return {
    boot: () => outbox.boot(),
    outbox,
    flush: () => shipper.flush(),
    close(drain_ms = DRAIN_MAX_MS) {
      closing ??= close(drain_ms)
      return closing
    },
  }
}

type Transport = {
  readonly send: Parameters<typeof shipOutbox>[0]['send']
  readonly close: () => Promise<void>
}

/** MQTT, or HTTPS where only that gets through. */
async function openTransport(
  { gateway, tls, hub, clock, random }: AgentOptions,
  agent: {
    readonly outbox: Outbox
    readonly signal: AbortSignal
    readonly notice: (fact: AgentFact) => void
    readonly raise: (floor: number) => Promise<void>
  },
): Promise<Transport> {
  if ('url' in gateway) {
    const { batchPoster } = await import('../link/post-batch.ts')
    const poster = batchPoster({ url: gateway.url, tls })
    return { send: (bytes, signal) => poster.post(bytes, signal), close: async () => poster.close() }
  }
  const connection = connectMqtt({
    ...gateway,
    tls,
    floor_ms: () => pastFor(tls.cert),
    hub,
    clock,
    random,
    signal: agent.signal,
    epoch: () => agent.outbox.nextEpoch(),
    floor: agent.raise,
    connected: (epoch) => agent.notice({ fact: 'connected', to: 'gateway', epoch }),
    disconnected: (reason) => agent.notice({ fact: 'disconnected', from: 'gateway', reason }),
    unreachable: (at, reason) => agent.notice({ fact: 'unreachable', to: 'gateway', at, reason }),
  })
  return {
    send: (bytes, signal) => connection.publish(topics.telemetry(hub), bytes, signal),
    close: () => connection.done,
  }
}

/** Words go to `text`, numbers and flags to `value`. */
function readingOf({ device, attribute, value, unit }: Report, m: number): Event {
  const said = typeof value === 'string' ? { text: value } : { value }
  return { m, kind: 'reading', device, attribute, ...said, ...(unit === undefined ? {} : { unit }) }
}

function read(payload: Buffer) {
  try {
    const parsed = hubBound.safeParse(JSON.parse(payload.toString()))
    if (parsed.success) return parsed.data
    return new Problem('invalid', `the relay sent what this agent does not know: ${parsed.error.message}`)
  } catch (error) {
    return new Problem('invalid', `the relay sent what is not JSON: ${messageOf(error)}`)
  }
}
