import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { assert } from '../contract/problem.ts'
import type { AddFile, PartitionValues, Tags } from './action.ts'
import { addOf, dataFileName } from './data-file.ts'
import { problemOf, rowsOf } from './duckdb.ts'
import { ROW_GROUP_ROWS } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { duckDbType, identifier, literal } from './schema.ts'
import type { WrittenColumn } from './statistics.ts'

export type WriteRequest = {
  readonly connection: DuckDBConnection
  /** A SELECT that has every one of `columns` by name; casts to the column's type are added. */
  readonly select: string
  readonly store: ObjectStore
  /** The table's folder in the store. */
  readonly prefix: string
  /** Columns of the file: those of the table without those of the partition. */
  readonly columns: readonly Column[]
  /** Of the table: which columns statistics are kept for. */
  readonly configuration?: Readonly<Record<string, string>>
  readonly partitionValues: PartitionValues
  /** Names of columns that rows are ordered by; none keeps the order of the SELECT. */
  readonly sort: readonly string[]
  readonly tags?: Tags
  readonly random: Random
  readonly clock: Clock
  /** A local folder for the file before it is uploaded; made when absent. */
  readonly scratch_folder: string
  /** Looks at the local file before it is uploaded; what it raises, `writeFile` raises. */
  check?(file: string): Promise<void>
}

const written = z.array(
  z.object({
    count: z.coerce.number(),
    file_size_bytes: z.coerce.number(),
    column_statistics: z.array(
      z.object({ key: z.string(), value: z.array(z.object({ key: z.string(), value: z.string() })) }),
    ),
  }),
)

/**
 * Writes the rows of a SELECT as one data file under a random name, durable when it resolves, and tells the action
 * that adds it; zero rows make a file too. zstd, v1 pages (delta-rs cannot filter some v2 pages), row groups of 128 k.
 * Raises `internal` when DuckDB refuses the SELECT, `unavailable` when the scratch folder or memory does not suffice, and
 * what the store raises.
 */
export async function writeFile(request: WriteRequest): Promise<AddFile & { readonly rows: number }> {
  const { columns, partitionValues, random, scratch_folder, sort, store, tags } = request
  const name = dataFileName(partitionValues, random)
  const file = join(scratch_folder, `${randomHex(random, 16)}.parquet`)
  const list = columns.map(
    ({ name, type }) => `CAST(${identifier(name)} AS ${duckDbType(type)}) AS ${identifier(name)}`,
  )
  const order = sort.length > 0 ? ` ORDER BY ${sort.map(identifier).join(', ')}` : ''
  const options = `FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v1, ROW_GROUP_SIZE ${ROW_GROUP_ROWS}, RETURN_STATS true`
  const copy = `COPY (SELECT ${list.join(', ')} FROM (${request.select})${order}) TO ${literal(file)} (${options})`
  await mkdir(scratch_folder, { recursive: true })
  try {
    const [result] = written.parse(await copied(request.connection, copy))
    assert(result, 'COPY returns one row')
    await request.check?.(file)
    await store.put(`${request.prefix}/${name}`, { file })
    const { count: rows, file_size_bytes: size_bytes } = result
    const about = { columns, configuration: request.configuration ?? {}, partitionValues, now_ms: request.clock.now() }
    const of = { ...about, name, size_bytes, rows, written: columnsOf(result.column_statistics), ...(tags && { tags }) }
    return { ...addOf(of), rows }
  } finally {
    await rm(file, { force: true })
  }
}

async function copied(connection: DuckDBConnection, sql: string) {
  try {
    return await rowsOf(connection, sql)
  } catch (error) {
    throw problemOf('DuckDB could not write a data file', error)
  }
}

/** DuckDB names columns quoted, nested ones with dots: `"a"`, `"m"."key"`. */
function columnsOf(
  statistics: readonly { readonly key: string; readonly value: readonly { key: string; value: string }[] }[],
): ReadonlyMap<string, WrittenColumn> {
  const columns = new Map<string, WrittenColumn>()
  for (const { key, value } of statistics) {
    const match = /^"([^"]+)"$/.exec(key)
    if (match?.[1] !== undefined) columns.set(match[1], Object.fromEntries(value.map((one) => [one.key, one.value])))
  }
  return columns
}
