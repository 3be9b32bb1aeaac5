import { textIn } from '../../ingest/row.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { CHECKSUM_SQL } from '../workload.ts'

export type Stored = { readonly checksum: string; readonly files: number; readonly bytes: number }

/** What data files of a local folder hold of the workload's events, whoever wrote them. */
export async function whatIsStored(glob: string): Promise<Stored> {
  await using database = await openDuckDb()
  const rows = `read_parquet('${glob}', union_by_name = true, hive_partitioning = false)`
  const [sum] = await rowsOf(
    database.connection,
    `${CHECKSUM_SQL} FROM ${rows} WHERE kind NOT IN ('batch', 'dead', 'registry')`,
  )
  const [size] = await rowsOf(
    database.connection,
    `SELECT count(*) AS files, sum(size)::BIGINT AS bytes FROM read_blob('${glob}')`,
  )
  return {
    checksum: textIn(sum ?? {}, 'checksum') ?? 'none',
    files: Number(size?.['files']),
    bytes: Number(size?.['bytes']),
  }
}
