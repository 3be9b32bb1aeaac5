import { z } from 'zod'

const pair = z.tuple([z.number().int(), z.number().int()])

/**
 * Which hours an ingest commit touched: `commitInfo.hearth.touched`, from which jobs know what is due again.
 * Exact, where file statistics would over-report. An hour is its first ms since 1970.
 */
export const touched = z.object({
  /** (event hour, bucket) of every row but those of kind `batch` and `dead`. */
  hours: z.array(pair),
  /** (issue hour, bucket) of every command stage: a stage two days late affects the hour of its issue. */
  issued: z.array(pair),
  /** (bucket, from_ms): the smallest `valid_from_ms` of the registry rows, which count from there on. */
  registry: z.array(pair),
})
export type Touched = z.infer<typeof touched>

/** What `touchedOf` reads: a SELECT, in DuckDB's words, of what rows of `events` (another SELECT) touched. */
export function touchedSql(rows: string): string {
  const hour = (column: string) => `epoch_ms(${column}) // 3600000 * 3600000`
  return `WITH taken AS (${rows})
    SELECT DISTINCT 'hours' AS what, ${hour('event_time')} AS at, bucket FROM taken WHERE kind NOT IN ('batch', 'dead')
    UNION ALL SELECT DISTINCT 'issued', ${hour('issued_time')}, bucket FROM taken
    WHERE kind = 'command' AND issued_time IS NOT NULL
    UNION ALL SELECT 'registry', min(coalesce(TRY_CAST(extra['valid_from_ms'] AS BIGINT), 0)), bucket FROM taken
    WHERE kind = 'registry' GROUP BY bucket
    ORDER BY ALL`
}

/** From the rows of `touchedSql`. */
export function touchedOf(rows: readonly Readonly<Record<string, unknown>>[]): Touched {
  const found: { [what in keyof Touched]: [number, number][] } = { hours: [], issued: [], registry: [] }
  for (const { what, at, bucket } of rows) {
    if (what === 'registry') found.registry.push([Number(bucket), Number(at)])
    else if (what === 'issued') found.issued.push([Number(at), Number(bucket)])
    else found.hours.push([Number(at), Number(bucket)])
  }
  return found
}
