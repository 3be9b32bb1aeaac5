import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import type { Column, ColumnType } from '../contract/column.ts'
import { assert } from '../contract/problem.ts'
import type { AddFile, PartitionValues, Tags } from './action.ts'
import { addOf, dataFileName } from './data-file.ts'
import { problemOf, rowsOf } from './duckdb.ts'
import { ROW_GROUP_ROWS } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { duckDbType, identifier, literal } from './schema.ts'
import type { WrittenBound, WrittenColumn } from './statistics.ts'

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

const answer = z.array(
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
    const [result] = answer.parse(await copied(request.connection, copy))
    assert(result, 'COPY returns one row')
    await request.check?.(file)
    await store.put(`${request.prefix}/${name}`, { file })
    const { count: rows, file_size_bytes: size_bytes } = result
    const about = { columns, configuration: request.configuration ?? {}, partitionValues, now_ms: request.clock.now() }
    const written = writtenOf(columns, result.column_statistics)
    return { ...addOf({ ...about, name, size_bytes, rows, written, ...(tags && { tags }) }), rows }
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
function writtenOf(
  columns: readonly Column[],
  statistics: readonly { readonly key: string; readonly value: readonly { key: string; value: string }[] }[],
): ReadonlyMap<string, WrittenColumn> {
  const known = new Map(statistics.map(({ key, value }) => [key, new Map(value.map((one) => [one.key, one.value]))]))
  const written = new Map<string, WrittenColumn>()
  for (const { name, type } of columns) {
    const of = known.get(`"${name}"`)
    if (!of) continue
    const [min, max] = ['min', 'max'].map((side) => boundOf(type, of.get(side)))
    const nulls = of.get('null_count')
    written.set(name, {
      ...(min !== undefined && max !== undefined && { min, max }),
      ...(nulls !== undefined && { null_count: Number(nulls) }),
      has_nan: of.get('has_nan') === 'true',
    })
  }
  return written
}

/** Undefined for what DuckDB does not tell or has a form of its own for: infinity, years before Christ or past 9999. */
function boundOf(type: ColumnType, text: string | undefined): WrittenBound | undefined {
  if (text === undefined) return undefined
  switch (type) {
    case 'string':
    case 'date':
      return text
    case 'timestamp':
      return microsOf(text)
    case 'boolean':
      return text === '1' || text === 'true'
    case 'integer':
    case 'long':
    case 'double':
      return Number(text)
    default:
      return undefined
  }
}

/** `2026-01-01 00:00:00.123456+00` as µs since 1970. */
function microsOf(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00(?::00)?$/.exec(text)
  if (!match) return undefined
  return BigInt(Date.parse(`${match[1]}T${match[2]}Z`)) * 1000n + BigInt((match[3] ?? '').padEnd(6, '0'))
}
