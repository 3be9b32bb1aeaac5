import { z } from 'zod'
import { count, rowsOf } from './answer-rows.ts'
import { tablesOf } from './fleet.ts'
import type { Queries } from './query-protocol.ts'
import { date, lines } from './sql-text.ts'

const DAY_MS = 86_400_000
const HUBS_MAX = 20_000

/** When each hub disconnected whose newest event of its connection since yesterday says so, ms since 1970. */
export async function disconnectsOf(
  queries: Queries,
  now_ms: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (!(await tablesOf(queries, signal)).has('connections')) return new Map()
  const sql = lines(`
    SELECT hub_id, epoch_ms(max(event_time)) AS time_ms
    FROM connections
    WHERE event_date >= ${date(now_ms - DAY_MS)}
    GROUP BY hub_id
    HAVING arg_max(stage, event_time) = 'disconnected'`)
  const rows = rowsOf(
    await queries.run({ sql, max_rows: HUBS_MAX }, signal),
    z.object({ hub_id: z.string(), time_ms: count }),
  )
  return new Map(rows.map((row) => [row.hub_id, row.time_ms]))
}
