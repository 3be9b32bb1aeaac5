import { type Catalogue, ordered } from '../jobs/catalogue.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { parseMetric } from '../jobs/metric.ts'
import type { Row } from '../lake/write-rows.ts'
import { ERASED } from './eraser.ts'
import type { Row as EventRow } from './row-encoder.ts'

const define = (name: string, unit: string, inputs: string, revision: number, ...more: readonly string[]) =>
  parseMetric(
    name,
    `-- metric: ${name}
-- meaning: of the simulator
-- grain: hub × hour
-- unit: ${unit}
-- inputs: ${inputs} by hour
-- affects: an event, its hour
-- owner: simulator
-- revision: ${revision}
-- column: hour timestamp — the hour, UTC
-- column: n long events — what is counted
${more.map((line) => `-- ${line}\n`).join('')}
SELECT ${revision}`,
  )
const OF_HUBS = ['keys: hub_id', 'column: bucket integer — bucket of the hub', 'column: hub_id string — the hub']

/** A metric of events, and two that read it: one of all buckets, and one whose hours go on from the hour before. */
const catalogueOf = (revision: number): Catalogue =>
  ordered([
    define('hub_counts', 'hour', 'events', revision, ...OF_HUBS, `only: hub_id <> '${ERASED}'`),
    define('fleet_counts', 'hour of all buckets', 'hub_counts', 1, 'keys: hubs', 'column: hubs long hubs — so many'),
    define('hub_totals', 'hour', 'hub_counts', 1, ...OF_HUBS, 'carry: hub_id, n where TRUE'),
  ])
export const OLD_METRICS = catalogueOf(1)
export const NEW_METRICS = catalogueOf(2)

/** An hour of a bucket, or of all of them: rows of the input in it, and of the metric itself in the hour before. */
type Hour = {
  readonly hour: number
  readonly bucket: number
  readonly input: readonly Row[]
  readonly before: readonly Row[]
}

/** What the SELECT of a metric says, in TypeScript; `revision` is of the metric. */
const PLAIN: Readonly<Record<string, (hour: Hour, revision: number) => readonly Row[]>> = {
  hub_counts: ({ hour, bucket, input }, revision) =>
    byHub(input).map(([hub_id, n]) => ({ hour, bucket, hub_id, n: n * revision })),
  fleet_counts: ({ hour, input }) =>
    input.length === 0 ? [] : [{ hour, hubs: input.length, n: input.reduce((sum, { n }) => sum + Number(n), 0) }],
  hub_totals: ({ hour, bucket, input, before }) =>
    byHub([...before, ...input]).map(([hub_id, n]) => ({ hour, bucket, hub_id, n })),
}

export function plainRows({ name, revision }: Catalogue[number], hour: Hour): readonly Row[] {
  return PLAIN[name]?.(hour, revision) ?? []
}

/** Rows of the events table as metrics read them: of each event its hour, its hub and a number that few others have. */
export function eventInputs(rows: readonly EventRow[]): readonly Row[] {
  return rows.flatMap(({ kind, hub, bucket, seq, columns: { event_time } }) => {
    if (kind === 'batch' || kind === 'dead' || hub === ERASED || typeof event_time !== 'number') return []
    return [{ hour: Math.floor(event_time / 1000 / HOUR_MS) * HOUR_MS, bucket, hub_id: hub, n: seq + 1 }]
  })
}

function byHub(rows: readonly Row[]): readonly (readonly [hub: string, n: number])[] {
  const sums = new Map<string, number>()
  for (const { hub_id, n } of rows) sums.set(String(hub_id), (sums.get(String(hub_id)) ?? 0) + Number(n))
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1))
}
