import { textIn } from '../../ingest/row.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { literal } from '../../lake/schema.ts'
import { METRIC } from './measured.ts'

/** How many rows of the metric files hold, and a sum that hangs on each value of each row, whatever their order. */
export async function rowsIn(glob: string): Promise<string> {
  await using duck = await openDuckDb({ threads: 1 })
  const columns = catalogue().find(({ name }) => name === METRIC)?.columns ?? []
  const list = columns.map(({ name }) => `"${name}"`).join(', ')
  const [row] = await rowsOf(
    duck.connection,
    `SELECT count(*) || ' ' || sum(CAST(hash(hash(${list})) AS HUGEINT)) AS rows FROM read_parquet(${literal(glob)}, hive_partitioning = false)`,
  )
  return textIn(row ?? {}, 'rows') ?? 'none'
}
