import type { DuckDBConnection } from '@duckdb/node-api'
import { EVENTS_COLUMNS } from '../../contract/events-table.ts'
import { messageOf, Problem } from '../../contract/problem.ts'
import { VIEWS } from '../../contract/views.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { type Engine, serveQueries } from '../query-child.ts'
import type { Cell } from '../query-protocol.ts'
import { makeSample } from './sample.ts'
import { makeSampleRuns, sampleJobs } from './sample-jobs.ts'
import { sampleLook } from './sample-lake.ts'

/** For tests only: the query process over sample tables in memory. Arguments: now in ms, and a SampleState. */
const [now_ms, state] = process.argv.slice(2)
const { connect, connection } = await openDuckDb({ threads: 2 })
if (state !== 'empty') await makeSample(connection, Number(now_ms))
if (state !== 'empty' && state !== 'unmeasured') await makeSampleRuns(connection, Number(now_ms), state)
if (state === 'unmeasured')
  await connection.run('DROP TABLE fleet_hours; DROP TABLE hub_hours; DROP TABLE latency_hours')
if (state === 'behind') {
  const end = `make_timestamp(${Number(now_ms)}::BIGINT * 1000) - INTERVAL 4 HOUR`
  for (const table of ['fleet_hours', 'hub_hours', 'latency_hours']) {
    await connection.run(`DELETE FROM ${table} WHERE hour > ${end}`)
  }
}
serveQueries(sampleEngine(), process)

function sampleEngine(): Engine {
  return {
    ...sampleLook(Number(now_ms), state === 'empty'),
    ...sampleJobs(Number(now_ms), state),
    run: async (order, signal) => {
      if (order.sql.includes('crash the process')) process.exit(7)
      const own = await connect()
      const stop = () => own.interrupt()
      signal.addEventListener('abort', stop, { once: true })
      try {
        return await answerOf(own, order.sql, order.max_rows)
      } catch (error) {
        throw new Problem('invalid', messageOf(error), { cause: error })
      } finally {
        signal.removeEventListener('abort', stop)
        own.disconnectSync()
      }
    },
    schema: async () => {
      const reader = await connection.runAndReadAll(
        `SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY table_name, ordinal_position`,
      )
      const tables = new Map<string, { name: string; type: string; unit?: string; meaning?: string }[]>()
      for (const row of reader.getRowsJson()) {
        const [table, name, type] = row.map(String)
        if (table === undefined || name === undefined || type === undefined) continue
        const column = EVENTS_COLUMNS.find((candidate) => candidate.name === name)
        const columns = tables.get(table) ?? []
        columns.push({
          name,
          type,
          ...(column?.unit ? { unit: column.unit } : {}),
          ...(column ? { meaning: column.meaning } : {}),
        })
        tables.set(table, columns)
      }
      return {
        tables: [...tables].map(([name, columns]) => ({
          name,
          kind: name in VIEWS ? ('view' as const) : ('table' as const),
          meaning: VIEWS[name]?.meaning ?? '',
          columns,
        })),
      }
    },
  }
}

const day = (time_ms: number) => new Date(time_ms).toISOString().slice(0, 10)

async function answerOf(own: DuckDBConnection, sql: string, max_rows: number) {
  const reader = await own.streamAndReadUntil(sql, max_rows + 1)
  const rows = reader.getRowsJson().map((row) =>
    row.map((cell): Cell => {
      if (cell === null || typeof cell !== 'object') return cell
      return JSON.stringify(cell)
    }),
  )
  const names = reader.columnNames()
  return {
    columns: names.map((name, index) => ({ name, type: String(reader.columnTypes()[index]) })),
    rows: rows.slice(0, max_rows),
    truncated: rows.length > max_rows,
    statistics: {
      ms: 12,
      files: 3,
      bytes: 1_234_567,
      partitions: 2,
      days: { first: day(Number(now_ms) - 86_400_000), last: day(Number(now_ms)) },
      versions: { events: 7 },
    },
  }
}
