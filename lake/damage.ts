import type { DuckDBConnection } from '@duckdb/node-api'
import { isProblem, type Problem } from '../contract/problem.ts'
import { rowsOf } from './duckdb.ts'
import type { HeldTable } from './local-files.ts'
import { queryFault } from './query-fault.ts'
import { literal } from './schema.ts'

/**
 * What is wrong with the first of these data files that cannot be read whole, named; undefined when none is damaged. For when
 * reading them together failed: DuckDB seldom says at which file.
 */
export async function damageIn(
  connection: DuckDBConnection,
  tables: readonly HeldTable[],
): Promise<Problem | undefined> {
  for (const table of tables) {
    for (const file of table.files) {
      try {
        await rowsOf(connection, `SELECT sum(hash(COLUMNS(*))) FROM read_parquet(${literal(file.path)})`)
      } catch (error) {
        const fault = queryFault(error, [{ ...table, files: [file] }], undefined)
        return isProblem(fault, 'corrupt', 'missing') ? fault : undefined
      }
    }
  }
  return undefined
}
