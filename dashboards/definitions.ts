import type { Catalogue } from '../jobs/catalogue.ts'
import type { Definition } from './api.ts'

/**
 * What each figure of the pages means, in the words of the metric catalogue: the "?" beside a number opens it.
 * `table` is where the number is read from; its columns are described by the catalogue itself.
 */
export const DEFINITIONS: readonly Definition[] = [
  {
    name: 'availability',
    title: 'Connection availability',
    unit: '%',
    meaning:
      'Time that control connections were surely open ÷ time that hubs were expected to be connected, less the time ' +
      'that is unknown because a relay had gone silent. Expected: enrolled, not retired, not in a maintenance window, ' +
      'as of each moment. A silent hub counts as expected and not connected.',
    table: 'fleet_hours',
  },
  {
    name: 'success',
    title: 'Command success',
    unit: '%',
    meaning:
      'Commands that the device confirmed within the deadline ÷ all commands issued to hubs that were expected. ' +
      'Offline, late, expired, interrupted and rejected commands all count against it. Requests that were refused ' +
      'as invalid, unauthorised or too many were never issued and do not count.',
    table: 'fleet_hours',
  },
  {
    name: 'loss',
    title: 'Telemetry loss',
    unit: '%',
    meaning:
      'Events found lost ÷ events sent, by the account of sequence numbers of each run of each source. It is the ' +
      'error bar of every other number here: a figure made from 97 % of the events says so. Counted in the hour in ' +
      'which the gateway learned of it. Beside it: events that hubs discarded because their outbox was full (dropped), ' +
      'that came and could not be read (dead), and that may still come (pending).',
    table: 'fleet_hours',
  },
  {
    name: 'tap_to_light',
    title: 'Tap to light',
    unit: 'ms',
    meaning:
      'Issued to sent (relay’s clock) + half the network + received to executed (hub’s clock), where network = ' +
      '(sent to acked) − (received to executed). An estimate, over commands that took effect, in time or late; each duration is taken ' +
      'on one clock. Percentiles come from merged log buckets of 1 % relative error, never from means of percentiles.',
    table: 'latency_hours',
  },
  {
    name: 'disconnects',
    title: 'Unplanned disconnects',
    meaning:
      'Control sessions that ended without being told to: not a drain of the relay, not the hub’s goodbye. A hub that ' +
      'is back within one second, taking its own place, counts once at most.',
    table: 'fleet_hours',
  },
  {
    name: 'commands',
    title: 'Commands issued',
    meaning: 'Commands that a relay accepted for hubs that were expected: authorised, valid and within the rate.',
    table: 'fleet_hours',
  },
  {
    name: 'hubs',
    title: 'Hubs expected',
    meaning: 'Hubs that were enrolled, not retired and not in maintenance at some moment of the window.',
    table: 'hub_hours',
  },
  {
    name: 'crashes',
    title: 'Crashes',
    meaning: 'Crash reports of hub agents, sent at the start after the crash.',
    table: 'hub_hours',
  },
  {
    name: 'round_trip',
    title: 'Round trip',
    unit: 'ms',
    meaning:
      'From handing the command’s bytes to the hub’s socket until the hub’s result arrived: sent to acked, all on ' +
      'the relay’s monotonic clock.',
    table: 'command_traces',
  },
  {
    name: 'outcome',
    title: 'Outcome',
    meaning:
      'done: confirmed within the deadline. late: confirmed after it; it did happen. interrupted: the hub died while ' +
      'executing; it may or may not have happened and is not tried again. rejected: hub or device said no. expired: no ' +
      'result by the deadline; unknown whether it happened. offline: no live connection, nothing was sent.',
    table: 'command_traces',
  },
  {
    name: 'freshness',
    title: 'Freshness',
    meaning:
      'Data to: the time of receipt of the newest event that is committed to the table. Loss: events lost of those ' +
      'sent, over the last 24 hours of metrics.',
    table: 'events',
  },
  {
    name: 'table_rows',
    title: 'Rows of a table',
    meaning:
      'Rows of its newest version, added up from what the log says of each data file. Of events: everything that hubs ' +
      'and services told, a row for each batch, and dead letters.',
  },
  {
    name: 'table_size',
    title: 'Size of a table',
    unit: 'bytes',
    meaning:
      'Bytes of the data files of its newest version. Files of older versions stay until vacuum deletes them, and are ' +
      'not counted.',
  },
  {
    name: 'small_files',
    title: 'Small files',
    meaning:
      'Data files of the newest version below 16 MiB. A writer makes small ones so that data is fresh, and compaction ' +
      'joins them: of one partition (day and bucket) there should never be more than 128. The files of a metric are ' +
      'small by design and are not counted.',
  },
  {
    name: 'newest_commit',
    title: 'Newest commit',
    meaning:
      'Age of the newest version. Of events that is at most the freshness limit and some seconds while anything ' +
      'comes in; with only signs of life up to a minute.',
  },
  {
    name: 'bucket_lag',
    title: 'Lag of a bucket',
    unit: 's',
    meaning:
      'Age of the oldest batch that is durable in the event log and not in the table, as the writer of this state ' +
      'folder tells: hearth_writer_lag_seconds. Data to: when the newest event of the bucket in the table was received.',
  },
  {
    name: 'versions',
    title: 'Versions',
    meaning:
      'Each commit makes a version, and older ones can be asked for (hearth sql --at) until vacuum passes them. ingest: ' +
      'batches of hubs. replace: units of a metric made anew. compact: small files joined, the same rows. floor: vacuum ' +
      'says which versions it leaves whole. metadata: schema or settings. erase: a hub was erased.',
  },
  {
    name: 'upkeep',
    title: 'Upkeep',
    meaning:
      'The newest compaction and the newest floor of vacuum among the newest 60 versions; – when there is none among ' +
      'them. hearth lake doctor looks further back.',
  },
  {
    name: 'dead_letters',
    title: 'Dead letters',
    meaning:
      'Events, and whole batches, that were acknowledged and could not be read, received in this window. Each is kept ' +
      'with its line and the reason, and leaves this list once a replay has stored it.',
    table: 'dead_letters',
  },
  {
    name: 'losses',
    title: 'Losses',
    meaning:
      'Each time that an event log began after what the table had read: what lay in between was acknowledged and is ' +
      'not in the table. hearth verify counts the events. Told beside it: logs that ended too early, or that another ' +
      'took the place of, which may have held nothing more. Of all time, not of this window.',
    table: 'losses',
  },
  {
    name: 'metric_freshness',
    title: 'Freshness of a metric',
    meaning:
      'Complete to: the end of the newest hour (or the newest day) that was over when it was calculated, in every bucket. It is ' +
      'late when the next one has been over for 15 minutes and is not there. A whole history, as of hubs, is fresh when ' +
      'nothing of it is due.',
  },
  {
    name: 'failing_metrics',
    title: 'Failing metrics',
    unit: 'metrics',
    meaning:
      'Metrics of which a run failed in the last seven days, and no later one made what that was to make, which is due ' +
      'still. However new their newest hour is, they are not fresh.',
    table: 'job_runs',
  },
  {
    name: 'due_units',
    title: 'Due units',
    unit: 'units',
    meaning:
      'A unit is an hour of a bucket, an hour or a day of all of them, or a bucket’s whole history. It is due when it was ' +
      'never computed; when its hour is over and was still running; when what it was made from moved, by late data; when ' +
      'its definition rose; or when what the hour before leaves to it changed. What follows from others is found when ' +
      'those are made: hearth jobs plan tells beforehand.',
  },
  {
    name: 'runs_under_way',
    title: 'Under way elsewhere',
    meaning:
      'Runs that pods or other processes calculate, from what they left in the lake. What the jobs’ own process ' +
      'calculates is not among them: its run shows below once it is committed. Failed before: runs of the metric that failed since this one was begun.',
  },
  {
    name: 'job_runs',
    title: 'Runs',
    meaning:
      'Each metric that a run made, in one commit, or failed to make. Took: from its plan to its commit. Failed tries ' +
      'of parts are listed even where a later try went well.',
    table: 'job_runs',
  },
]

/** Of each metric's own table: `metric_hub_hours`. */
export function metricDefinitions(metrics: Catalogue): readonly Definition[] {
  return metrics.map(({ name, meaning, grain, affects, revision, hash, owner }) => ({
    name: `metric_${name}`,
    title: name,
    meaning:
      `${meaning[0]?.toUpperCase()}${meaning.slice(1)}. One row per ${grain}. Made anew by: ${affects}. ` +
      `Revision ${revision} (${hash}), owned by ${owner}.`,
    table: name,
  }))
}
