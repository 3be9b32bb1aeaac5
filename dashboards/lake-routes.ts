import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { count, rowsOf } from './answer-rows.ts'
import { windowQuery } from './api.ts'
import { reasonForm } from './dead-reason.ts'
import { tablesOf } from './fleet.ts'
import { type LakeAnswer, LOSS_KINDS, lakeAnswer, versionsAnswer, versionsParams, versionsQuery } from './lake-api.ts'
import { DEAD_LETTERS_SHARED_MS, LAKE_ROWS_MAX } from './limits.ts'
import type { Queries } from './query-protocol.ts'
import { hangUp, type Router } from './route.ts'
import { shareAnswers } from './shared-answers.ts'
import { date, lines, timestamp } from './sql-text.ts'

/** How far a bucket is behind its log, where the log can tell, and whether it is stopped. */
export type BucketLag = { readonly seconds: number | undefined; readonly stopped: boolean }

/** By bucket; undefined where nobody tells. */
export type Lags = () => Promise<ReadonlyMap<number, BucketLag> | undefined>

/** The tables of the lake: what is in them, what became of them, and what did not get into them. */
export function mountLake(
  route: Router,
  options: { readonly queries: Queries; readonly lags: Lags; readonly clock: Clock },
): void {
  const { queries, lags, clock } = options
  const shared = shareAnswers(clock)
  // A shared answer must not die with the first who asked for it; the query's own time limit ends it.
  const nobody = new AbortController().signal
  route({
    method: 'GET',
    url: '/api/lake',
    summary: 'Every table with its files and upkeep; dead letters of a window; losses.',
    scope: 'query',
    fleet: true,
    query: windowQuery,
    answer: lakeAnswer,
    handle: async ({ query }): Promise<LakeAnswer> => {
      const [tables, dead, losses, lag] = await Promise.all([
        shared('tables', () => queries.tables(nobody)),
        shared(`dead ${query.from} ${query.to}`, () => deadLetters(queries, query, nobody), DEAD_LETTERS_SHARED_MS),
        shared('losses', () => lossesOf(queries, nobody)),
        lags(),
      ])
      return {
        tables: [...tables],
        lags: lag ? [...lag].map(([bucket, { seconds = null, stopped }]) => ({ bucket, seconds, stopped })) : null,
        dead,
        losses,
      }
    },
  })
  route({
    method: 'GET',
    url: '/api/lake/:table/versions',
    summary: 'What the newest versions of a table did.',
    scope: 'query',
    fleet: true,
    params: versionsParams,
    query: versionsQuery,
    answer: versionsAnswer,
    handle: async ({ params, query }, { request, reply }) => ({
      versions: await queries.versions({ table: params.table, limit: query.limit }, hangUp(request, reply)),
    }),
  })
}

const reasonRow = z.object({
  ...{ reason: z.string(), example: z.string() },
  ...{ events: count, sources: count, newest_ms: count },
})

async function deadLetters(
  queries: Queries,
  { from, to }: z.infer<typeof windowQuery>,
  signal: AbortSignal,
): Promise<LakeAnswer['dead']> {
  const received = `received_time >= ${timestamp(from)} AND received_time < ${timestamp(to)}`
  const window = `event_date BETWEEN ${date(from)} AND ${date(to)} AND ${received}`
  const sql = lines(`
    SELECT min(reason) AS reason, count(*) AS events, count(DISTINCT source_id) AS sources, min(source_id) AS example,
      epoch_ms(max(received_time)) AS newest_ms
    FROM dead_letters
    WHERE ${window}
    GROUP BY ${reasonForm('reason')}
    ORDER BY events DESC, reason
    LIMIT ${LAKE_ROWS_MAX}`)
  // Which letters a replay has stored is looked for among all events; whether there is any letter at all costs little.
  const first = `SELECT 1 AS events FROM events WHERE kind = 'dead' AND ${window} LIMIT 1`
  const any = await rowsIfThere(queries, 'events', first, z.object({ events: count }), signal)
  if (!any || any.length === 0) return { sql, reasons: [] }
  return { sql, reasons: (await rowsIfThere(queries, 'dead_letters', sql, reasonRow, signal)) ?? [] }
}

const lossRow = z.object({
  ...{ kind: z.enum(LOSS_KINDS), time_ms: count, bucket: count, log_id: z.string(), reason: z.string() },
  ...{ table_position: count, log_first: count, log_next: count },
})

async function lossesOf(queries: Queries, signal: AbortSignal): Promise<LakeAnswer['losses']> {
  const sql = lines(`
    SELECT kind, epoch_ms(time) AS time_ms, bucket, log_id, table_position, log_first, log_next, reason
    FROM losses
    ORDER BY time DESC, bucket
    LIMIT ${LAKE_ROWS_MAX}`)
  const rows = await rowsIfThere(queries, 'losses', sql, lossRow, signal)
  return { rows: rows ?? [], sql: rows ? sql : null }
}

/** Undefined for a table that was never made. */
async function rowsIfThere<S extends z.ZodType>(
  queries: Queries,
  table: string,
  sql: string,
  row: S,
  signal: AbortSignal,
): Promise<z.output<S>[] | undefined> {
  if (!(await tablesOf(queries, signal)).has(table)) return undefined
  return rowsOf(await queries.run({ sql, max_rows: LAKE_ROWS_MAX }, signal), row)
}
