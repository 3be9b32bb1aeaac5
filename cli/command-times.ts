import type { CommandReport } from '../contract/command.ts'

/** Where the time of a command went between the relay's socket and the result; undefined where it did not get so far. */
export type CommandTimes = {
  /** Sent → acked, on the relay's clock. */
  readonly round_trip_ms: number | undefined
  /** Received → executed, on the hub's clock: its journal and the device. */
  readonly hub_ms: number | undefined
  /** Round trip − hub: sockets, TLS, both event loops. An estimate, since two clocks made it. */
  readonly network_ms: number | undefined
}

export function commandTimes({ stages, round_trip_ms }: CommandReport): CommandTimes {
  const hub_ms = stages.find(({ stage, by }) => stage === 'executed' && by === 'hub')?.ms
  const both = round_trip_ms !== undefined && hub_ms !== undefined
  return { round_trip_ms, hub_ms, network_ms: both ? Math.max(0, round_trip_ms - hub_ms) : undefined }
}
