import type { CommandTrace } from '../../../api.ts'

/** One bar of the waterfall, ms since issue on the common axis. */
export type Bar = {
  readonly name: string
  /** Whose clock measured it. */
  readonly clock: string
  readonly from_ms: number
  readonly to_ms: number
  /** Its place on the axis, or its length, is an estimate. */
  readonly estimate: boolean
  readonly tone: 'app' | 'relay' | 'network' | 'hub'
}

/**
 * The bars of a command on one axis. Durations are each of one clock; only where the hub's bar is placed is an
 * estimate: the network's time, (sent → acked) − (received → end on the hub), is taken as half each way.
 */
export function barsOf(trace: CommandTrace): readonly Bar[] {
  const relay = (stage: string) => trace.stages.find((moment) => moment.by === 'relay' && moment.stage === stage)?.ms
  const end = Math.max(0, ...trace.stages.filter(({ by }) => by === 'relay').map(({ ms }) => ms))
  const routed = relay('routed')
  const sent = relay('sent')
  const acked =
    relay('acked') ?? (sent !== undefined && trace.round_trip_ms !== null ? sent + trace.round_trip_ms : undefined)
  const hub_ms = Math.max(
    -1,
    ...trace.stages.filter(({ by, stage }) => by === 'hub' && stage !== 'received').map(({ ms }) => ms),
  )
  const bars: Bar[] = [
    { name: 'App waits', clock: "relay's clock", from_ms: 0, to_ms: end, estimate: false, tone: 'app' },
  ]
  if (routed !== undefined && routed > 0) {
    bars.push({
      name: 'Relay: route',
      clock: "relay's clock",
      from_ms: 0,
      to_ms: routed,
      estimate: false,
      tone: 'relay',
    })
  }
  if (sent !== undefined) {
    const name = routed === undefined ? 'Relay: to socket' : 'Relay: send'
    bars.push({ name, clock: "relay's clock", from_ms: routed ?? 0, to_ms: sent, estimate: false, tone: 'relay' })
  }
  if (sent === undefined || acked === undefined) return bars
  if (hub_ms < 0) {
    bars.push({
      name: 'Network and hub',
      clock: "relay's clock",
      from_ms: sent,
      to_ms: acked,
      estimate: false,
      tone: 'network',
    })
    return bars
  }
  const half = Math.max(0, acked - sent - hub_ms) / 2
  const there = "estimate: half of both clocks' difference"
  bars.push(
    { name: 'Network, there', clock: there, from_ms: sent, to_ms: sent + half, estimate: true, tone: 'network' },
    {
      name: 'Hub and device',
      clock: "hub's clock",
      from_ms: sent + half,
      to_ms: sent + half + hub_ms,
      estimate: false,
      tone: 'hub',
    },
    {
      name: 'Network, back',
      clock: there,
      from_ms: sent + half + hub_ms,
      // A hub that says it took longer than the whole round trip leaves no time for the way back, and none to take off.
      to_ms: Math.max(acked, sent + half + hub_ms),
      estimate: true,
      tone: 'network',
    },
  )
  return bars
}

/** Round numbers for the axis: at most six, from 0. */
export function ticksOf(end_ms: number): readonly number[] {
  const rough = Math.max(end_ms, 0.001) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? power * 10
  return Array.from({ length: Math.floor(end_ms / step) + 1 }, (_, index) => index * step)
}
