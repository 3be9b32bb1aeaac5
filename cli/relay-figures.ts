import { Histogram, type Registry } from 'prom-client'
import type { CommandReport } from '../contract/command.ts'
import type { Relay } from '../relay/relay.ts'
import { commandTimes } from './command-times.ts'
import { figuresIn, SECONDS_BUCKETS } from './figure.ts'
import type { RelayCluster } from './relay-cluster.ts'

/** The figures of a relay; `relay` is asked once it is there. Returns what is to be told of answers. */
export function relayFigures(
  metrics: Registry,
  relay: () => Relay | undefined,
  cluster?: Pick<RelayCluster, 'directory' | 'peers' | 'moved'>,
): (report: CommandReport, own_ms: number) => void {
  const { counter, gauge } = figuresIn(metrics)
  const counts = () => relay()?.counts()
  counter(
    'hearth_relay_commands_issued_total',
    'Commands that were accepted and written down.',
    () => counts()?.issued ?? 0,
  )
  counter('hearth_relay_commands_total', 'Outcomes; one that got better counts as each.', () =>
    [...(counts()?.outcomes ?? [])].map(([outcome, count]) => [{ outcome }, count] as const),
  )
  counter('hearth_relay_commands_repeated_total', 'Commands that were known already.', () => counts()?.repeats ?? 0)
  counter(
    'hearth_relay_results_ignored_total',
    'Results of commands that this relay does not know, past the rate at which it records them.',
    () => counts()?.ignored_results ?? 0,
  )
  counter(
    'hearth_relay_ledger_writes_lost_total',
    'Ledger writes that a refusing disk cost for good.',
    () => counts()?.lost_writes ?? 0,
  )
  gauge('hearth_relay_open_commands', 'Commands without an outcome.', () => counts()?.open_commands ?? 0)
  gauge('hearth_relay_connected_hubs', 'Hubs with a control connection.', () => counts()?.connected_hubs ?? 0)
  gauge(
    'hearth_relay_handshakes_waiting',
    'Sockets of hubs that wait for their handshake.',
    () => counts()?.waiting_hubs ?? 0,
  )
  counter(
    'hearth_relay_hubs_refused_total',
    'Connections of hubs that were turned away, by TLS, CONNECT or for want of a turn; the log says why.',
    () => counts()?.refused_hubs ?? 0,
  )
  gauge('hearth_relay_spool_events', 'Events that ingest does not have yet.', () => counts()?.spool.events ?? 0)
  gauge('hearth_relay_spool_bytes', 'What they take on disk.', () => counts()?.spool.bytes ?? 0)
  counter(
    'hearth_relay_spool_dropped_events_total',
    'Events that the spool had no room for.',
    () => counts()?.spool.dropped ?? 0,
  )
  // A relay that is the only one tells them too, as nothing.
  gauge('hearth_relay_directory_away', 'Is the directory of relays away? 1, or 0.', () =>
    cluster?.directory.away === undefined ? 0 : 1,
  )
  counter(
    'hearth_relay_directory_errors_total',
    'Questions to the directory without an answer.',
    () => cluster?.directory.errors ?? 0,
  )
  counter(
    'hearth_relay_sessions_moved_total',
    'Hubs that came to another relay while they were here.',
    () => cluster?.moved ?? 0,
  )
  counter('hearth_relay_forwarded_total', 'Requests to other relays.', () => cluster?.peers.sent ?? 0)
  counter(
    'hearth_relay_forward_failures_total',
    'Requests to other relays that ended without an answer of theirs.',
    () => cluster?.peers.failed ?? 0,
  )
  const seconds = (name: string, help: string) =>
    new Histogram({ name, help, buckets: SECONDS_BUCKETS, registers: [metrics] })
  const share = seconds(
    'hearth_relay_share_seconds',
    'Of an answered command: what the relay itself took, ledger writes included.',
  )
  const trip = seconds(
    'hearth_relay_round_trip_seconds',
    "Of an answered command: from the hub's socket to the result.",
  )
  const device = seconds(
    'hearth_relay_hub_seconds',
    'Of an answered command: from receipt to confirmation, as the hub measured.',
  )
  return (report, own_ms) => {
    const { round_trip_ms, hub_ms } = commandTimes(report)
    share.observe(own_ms / 1000)
    if (round_trip_ms !== undefined) trip.observe(round_trip_ms / 1000)
    if (hub_ms !== undefined) device.observe(hub_ms / 1000)
  }
}
