import { Counter, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { BucketState, Writer, WriterFact } from '../ingest/writer.ts'
import { openCheckpoints } from '../lake/checkpoint.ts'
import { openLog } from '../lake/log.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { shapeOf, type TableShape } from '../lake/table-shape.ts'
import { type Figures, figuresIn, SECONDS_BUCKETS } from './figure.ts'

/** Batches of a bucket that are durable and not in the table yet. */
export async function lagOf(log: EventLog, { bucket, position }: BucketState): Promise<number> {
  return (await log.bounds(bucket)).next - 1 - position
}

type Parts = {
  readonly log: EventLog
  readonly store: ObjectStore
  writer(): Writer | undefined
}

/** Sizes of data files, from what a second of one bucket makes to what compaction makes of a day. */
const FILE_BYTES = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].map((power) => 4 ** power)
/** From what `freshness_ms` is by default, and less, to what somebody is called for. */
const FRESHNESS_SECONDS = [0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 900, 3_600]

/** The figures of a writer and of the table that it writes; returns what is to be told of its facts. */
export function writerFigures(metrics: Registry, clock: Clock, parts: Parts): (fact: WriterFact) => void {
  const figures = figuresIn(metrics)
  bucketFigures(figures, clock, parts)
  tableFigures(figures, parts)

  const registers = [metrics]
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name, help, buckets, registers })
  const commit = histogram(
    'hearth_writer_commit_seconds',
    'From the end of gathering to the commit in the table.',
    SECONDS_BUCKETS,
  )
  const freshness = histogram(
    'hearth_writer_freshness_seconds',
    'Of each batch: from its receipt to its commit in the table.',
    FRESHNESS_SECONDS,
  )
  const sizes = histogram('hearth_writer_file_bytes', 'Sizes of the data files that were committed.', FILE_BYTES)
  const files = histogram('hearth_writer_commit_files', 'Data files of a commit.', [1, 2, 4, 8, 16, 32, 64, 128, 256])
  const rows = counter('hearth_writer_rows_total', 'Rows that were committed.')
  const bytes = counter('hearth_writer_bytes_total', 'Bytes of data files that were committed.')
  const batches = counter('hearth_writer_batches_total', 'Batches that were committed.')
  const dead = counter('hearth_writer_dead_events_total', 'Events, and whole batches, that were committed as dead.')
  const duplicates = counter('hearth_writer_duplicate_events_total', 'Events left out, as they were stored before.')
  const commits = counter('hearth_writer_commits_total', 'Commits.')
  const attempts = counter('hearth_writer_commit_attempts_total', 'Log entries that were put for them: one each alone.')
  const rebased = counter('hearth_writer_rebased_versions_total', 'Versions of others that they were rebased over.')
  const fenced = counter('hearth_writer_fenced_total', 'Attempts that another writer overtook.')
  const losses = counter('hearth_writer_losses_total', 'Buckets found not to join up with the table.')
  const replaced = counter('hearth_writer_replaced_logs_total', 'Logs of a bucket that another log took the place of.')
  const retries = new Counter({
    ...{
      name: 'hearth_writer_retries_total',
      help: 'Attempts, and reads of a bucket, that failed, by the kind of Problem.',
    },
    ...{ labelNames: ['cause'] as const, registers },
  })
  for (const cause of ['conflict', 'corrupt', 'invalid', 'limit', 'missing', 'unauthorized', 'unavailable'])
    retries.inc({ cause }, 0)

  return (fact) => {
    switch (fact.kind) {
      case 'committed':
        commit.observe(fact.ms / 1000)
        for (const ms of fact.waits_ms) freshness.observe(ms / 1000)
        for (const size of fact.sizes) sizes.observe(size)
        files.observe(fact.sizes.length)
        rows.inc(fact.rows)
        bytes.inc(fact.sizes.reduce((sum, size) => sum + size, 0))
        batches.inc(fact.batches)
        dead.inc(fact.dead)
        duplicates.inc(fact.duplicates)
        commits.inc()
        attempts.inc(fact.attempts)
        rebased.inc(fact.rebased)
        return
      case 'retry':
      case 'unreadable':
        return retries.inc({ cause: fact.cause })
      case 'fenced':
        return fenced.inc()
      case 'loss':
        return losses.inc()
      case 'replaced':
        return replaced.inc()
      case 'share':
      case 'resumed':
        return
    }
  }
}

function bucketFigures({ gauge }: Figures, clock: Clock, { log, writer }: Parts): void {
  const buckets = () => writer()?.buckets() ?? []
  const named = (bucket: number) => ({ bucket: String(bucket) })
  gauge(
    'hearth_writer_stopped',
    '1 where a bucket is stopped: its log does not join up with the table, or cannot be read.',
    () => buckets().map(({ bucket, stopped }) => [named(bucket), stopped === undefined ? 0 : 1] as const),
  )
  /** Left out where the log cannot tell: the figures that say why must still be had. */
  const ofEach = (read: (one: BucketState) => Promise<number>) => async () => {
    const told = buckets().map(async (one) => {
      try {
        return [[named(one.bucket), await read(one)] as const]
      } catch (error) {
        if (isProblem(error)) return []
        throw error
      }
    })
    return (await Promise.all(told)).flat()
  }
  gauge(
    'hearth_writer_lag_batches',
    'Batches that are durable and not in the table yet.',
    ofEach((one) => lagOf(log, one)),
  )
  gauge(
    'hearth_writer_lag_seconds',
    'Age of the oldest batch that is not in the table yet.',
    ofEach(async ({ bucket, position }) => {
      const [oldest] = await log.read(bucket, position + 1, 1)
      return oldest ? Math.max(0, clock.now() - oldest.record.received_ms) / 1000 : 0
    }),
  )
  gauge('hearth_writer_ranges_streams', 'Streams of sources whose received ranges are kept in memory.', () =>
    buckets().map(({ bucket }) => [named(bucket), writer()?.ranges(bucket).size ?? 0] as const),
  )
}

/** Of the table as the writer saw it last: no scrape waits for the store, but for one small object. */
function tableFigures({ gauge }: Figures, { store, writer }: Parts): void {
  const checkpoints = openCheckpoints(store, EVENTS_TABLE, openLog(store, EVENTS_TABLE), undefined)
  // Three figures are of the same files, of which there may be many.
  const shapes = new WeakMap<Snapshot, TableShape>()
  const shape = (snapshot: Snapshot) => {
    const known = shapes.get(snapshot) ?? shapeOf(snapshot)
    shapes.set(snapshot, known)
    return known
  }
  const of = (figure: (snapshot: Snapshot) => number) => () => {
    const snapshot = writer()?.seen()
    return snapshot ? [[{ table: EVENTS_TABLE }, figure(snapshot)] as const] : []
  }
  gauge(
    'hearth_lake_version',
    'Newest version of the table that the writer saw.',
    of(({ version }) => version),
  )
  gauge(
    'hearth_lake_live_files',
    'Data files of the newest version.',
    of(({ files }) => files.size),
  )
  gauge(
    'hearth_lake_live_bytes',
    'Their bytes.',
    of((snapshot) => shape(snapshot).bytes),
  )
  gauge(
    'hearth_lake_small_files',
    'Those below 16 MiB.',
    of((snapshot) => shape(snapshot).small_files),
  )
  gauge(
    'hearth_lake_partition_small_files',
    'Files below 16 MiB of the partition that has most of them.',
    of((snapshot) => shape(snapshot).fullest_partition),
  )
  gauge(
    'hearth_lake_kept_versions',
    'Versions since the floor that vacuum set, or since the first.',
    of(({ version, txns }) => version - (txns.get('vacuum') ?? 0)),
  )
  gauge('hearth_lake_checkpoint_behind_versions', 'Versions since the newest checkpoint.', async () => {
    const snapshot = writer()?.seen()
    // A store that does not answer is told by its own figures.
    const hint = await checkpoints.hint().catch(() => undefined)
    return !snapshot || hint === undefined
      ? []
      : [[{ table: EVENTS_TABLE }, Math.max(0, snapshot.version - hint)] as const]
  })
}
