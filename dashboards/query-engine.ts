import type { Query } from '../lake/query.ts'
import type { JobsLook } from './jobs-look.ts'
import type { LakeLook } from './lake-look.ts'
import type { Engine } from './query-child.ts'
import type { Cell } from './query-protocol.ts'

/** The lake's query, and looks at its tables, as the child's engine: nested values become JSON text, which a cell can hold. */
export function lakeEngine(query: Query, look: LakeLook & JobsLook): Engine {
  return {
    ...look,
    run: async (order, signal) => {
      const { columns, rows, truncated, statistics } = await query.run(order.sql, { signal, max_rows: order.max_rows })
      const { ms, files, bytes, partitions, days, versions } = statistics
      return {
        columns,
        rows: rows.map((row) =>
          row.map((value): Cell => (value === null || typeof value !== 'object' ? value : JSON.stringify(value))),
        ),
        truncated,
        statistics: { ms, files, bytes, partitions, days, versions },
      }
    },
    schema: async () => ({ tables: await query.schema() }),
  }
}
