import type { Clock, Random } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import type { AddFile, PartitionValues, Tags } from './action.ts'
import { addOf, dataFileName } from './data-file.ts'
import type { ObjectStore } from './object-store.ts'
import type { ChunkValues } from './parquet-chunk.ts'
import { openParquetFile } from './parquet-file.ts'
import { openWords } from './words.ts'

/** Values by column: texts, numbers, timestamps in ms since 1970; what is absent is NULL. */
export type Row = Readonly<Record<string, string | number | undefined>>

export type RowsRequest = {
  readonly rows: readonly Row[]
  readonly store: ObjectStore
  /** The table's folder in the store. */
  readonly prefix: string
  readonly columns: readonly Column[]
  readonly partitionValues: PartitionValues
  readonly tags?: Tags
  readonly random: Random
  readonly clock: Clock
}

export type WriteRows = (request: RowsRequest) => Promise<AddFile>

/** Writes a few rows as one data file under a random name, without DuckDB and a scratch folder. Raises what the store raises. */
export async function writeRows(request: RowsRequest): Promise<AddFile> {
  const { rows, store, columns, partitionValues, tags } = request
  const words = openWords()
  const values = new Map(columns.map((column) => [column.name, valuesOf(column)]))

  function valuesOf({ name, type }: Column): ChunkValues {
    if (type === 'string') return { words: Uint32Array.from(rows, (row) => wordOf(name, row[name])) }
    const times = type === 'timestamp' ? 1000 : 1
    return { numbers: Float64Array.from(rows, (row) => Number(row[name] ?? Number.NaN) * times) }
  }

  function wordOf(name: string, value: string | number | undefined): number {
    if (typeof value === 'number') throw new Problem('internal', `column ${name} is of texts, found ${value}`)
    return value === undefined ? 0 : words.of(value)
  }

  const file = openParquetFile(columns, words.list())
  await file.add(
    rows.length,
    ({ name }) => values.get(name) ?? { numbers: new Float64Array(rows.length).fill(Number.NaN) },
  )
  const { bytes, written } = file.finish()
  const name = dataFileName(partitionValues, request.random)
  await store.put(`${request.prefix}/${name}`, bytes)
  const about = { columns, configuration: {}, partitionValues, ...(tags && { tags }), now_ms: request.clock.now() }
  return addOf({ ...about, name, size_bytes: bytes.length, rows: rows.length, written })
}
