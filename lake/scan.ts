import type { AddFile } from './action.ts'
import { fillSql, promotedOf } from './promoted.ts'
import { duckDbType, identifier, literal } from './schema.ts'
import type { Snapshot } from './snapshot.ts'

/** A data file and where it can be read on this machine. */
export type LocalFile = { readonly add: AddFile; readonly path: string }

/** The SELECT that reads files of a snapshot as `storedSql`, with promoted columns of older rows filled. Pure. */
export function scanSql(snapshot: Snapshot, files: readonly LocalFile[]): string {
  return fillSql(storedSql(snapshot, files), promotedOf(snapshot))
}

/**
 * The SELECT that reads files of a snapshot as they are: all columns of the table by name and type, a column that a file does not
 * have yet as NULL, those of the partition from the log and never from a path. Pure.
 *
 * `schema` spares DuckDB from opening every file when it binds; it excludes hive partitioning, so partition values
 * come from a list by the file's index.
 */
export function storedSql(snapshot: Snapshot, files: readonly LocalFile[]): string {
  const { columns, partition } = snapshot
  if (files.length === 0) {
    const empty = columns.map(({ name, type }) => `CAST(NULL AS ${duckDbType(type)}) AS ${identifier(name)}`)
    return `SELECT ${empty.join(', ')} WHERE false`
  }
  const stored = columns.filter(({ name }) => !partition.includes(name))
  const schema = stored.map(
    ({ name, type, stored_name, field_id }) =>
      `${field_id ?? literal(stored_name ?? name)}: {name: ${literal(name)}, type: ${literal(duckDbType(type))}, default_value: NULL}`,
  )
  const list = columns.map(({ name, type, stored_name }) => {
    if (!partition.includes(name)) return identifier(name)
    const values = files.map(({ add }) => partitionLiteral(add.partitionValues[stored_name ?? name]))
    const distinct = new Set(values)
    const [only] = values
    // Cast once, and not for each row.
    const value =
      distinct.size === 1 && only
        ? `CAST(${only} AS ${duckDbType(type)})`
        : `CAST([${values.join(', ')}] AS ${duckDbType(type)}[])[CAST(file_index AS BIGINT) + 1]`
    return `${value} AS ${identifier(name)}`
  })
  const paths = files.map(({ path }) => literal(path))
  return `SELECT ${list.join(', ')} FROM read_parquet([${paths.join(', ')}], schema = MAP {${schema.join(', ')}})`
}

/** PROTOCOL.md, "Partition Value Serialization": an empty text is null, of whatever type. */
function partitionLiteral(value: string | null | undefined): string {
  return value === null || value === undefined || value === '' ? 'NULL' : literal(value)
}
