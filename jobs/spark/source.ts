import type { AddFile } from '../../lake/action.ts'
import type { ObjectStore } from '../../lake/object-store.ts'
import { promotedOf } from '../../lake/promoted.ts'
import { identifier } from '../../lake/schema.ts'
import { decodeStatistics } from '../../lake/statistics.ts'
import type { inputsOf, TaskDay } from '../engine.ts'
import { filesOf, timeColumn } from '../source.ts'
import { sparkLiteral, sparkTimeSql, sparkType } from './dialect.ts'

/** How Spark names an object of a store: by S3A, or a file of the machine that both are on. */
export function sparkUri(store: ObjectStore, path: string): string {
  const local = store.localPath?.(path)
  return local === undefined ? `${store.url.replace(/^s3:/, 's3a:').replace(/\/$/, '')}/${path}` : `file://${local}`
}

/**
 * Statements that make `<input>_day`, a view of the pinned rows of a day: what `Source.select` is for DuckDB. Values of a
 * partition come from the log and never from a path, so that each of them is a view of its own. The last statement fails
 * where Spark finds other numbers of rows than the log says, as it leaves out what is not there of a list of files.
 */
export function dayViews(
  store: ObjectStore,
  { prefix, snapshot, input, only }: ReturnType<typeof inputsOf>[number],
  { span, buckets }: Pick<TaskDay, 'span' | 'buckets'>,
): readonly string[] {
  const promoted = new Set(promotedOf(snapshot).map(({ name }) => name))
  const columns = snapshot.columns.flatMap((column) => {
    const type = promoted.has(column.name) ? undefined : sparkType(column)
    return type === undefined ? [] : [{ ...column, type, stored: column.stored_name ?? column.name }]
  })
  const stored = columns.filter(({ name }) => !snapshot.partition.includes(name))
  const schema = stored.map((column) => `${identifier(column.stored)} ${column.type}`).join(', ')
  const table = input.table
  const adds = filesOf(snapshot, input, span, buckets)
  const groups = [...Map.groupBy(adds, ({ partitionValues }) => JSON.stringify(partitionValues)).values()]
  const views = groups.map((files, index) => {
    const paths = globOf(files.map(({ path }) => `${prefix}/${path}`))
    return `CREATE OR REPLACE TEMP VIEW ${table}_${index} (${schema}) USING parquet OPTIONS (path ${sparkLiteral(sparkUri(store, paths))})`
  })
  const selects = groups.map((files, index) => {
    const list = columns.map(({ name, stored: of, type }) => {
      if (!snapshot.partition.includes(name)) return `${identifier(of)} AS ${identifier(name)}`
      const value = files[0]?.partitionValues[of] ?? ''
      return `CAST(${value === '' ? 'NULL' : sparkLiteral(value)} AS ${type}) AS ${identifier(name)}`
    })
    return `SELECT ${list.join(', ')} FROM ${table}_${index}`
  })
  const none = columns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${identifier(name)}`)
  const all = selects.length > 0 ? selects.join(' UNION ALL ') : `SELECT ${none.join(', ')} WHERE FALSE`
  const column = timeColumn(input)
  const [from, to] = [sparkTimeSql(span.from_ms), sparkTimeSql(span.to_ms)]
  const within = column === undefined ? 'TRUE' : `${column} >= ${from} AND ${column} < ${to}`
  return [
    ...views,
    `CREATE OR REPLACE TEMP VIEW ${table}_all AS ${all}`,
    `CREATE OR REPLACE TEMP VIEW ${table}_day AS SELECT * FROM ${table}_all WHERE ${within} AND (${only})`,
    ...countCheck(table, adds),
  ]
}

function countCheck(table: string, adds: readonly AddFile[]): readonly string[] {
  const counts = adds.map(({ stats }) => decodeStatistics(stats)?.numRecords)
  if (counts.includes(undefined)) return []
  const rows = counts.reduce((sum: number, count) => sum + (count ?? 0), 0)
  const message = `the ${adds.length} files of ${table} have other rows than the ${rows} that the log says`
  return [`SELECT assert_true(COUNT(*) = ${rows}, ${sparkLiteral(message)}) FROM ${table}_all`]
}

/** Paths as one, in the pattern language of Hadoop's file systems. */
function globOf(paths: readonly string[]): string {
  const escaped = paths.map((path) => path.replace(/[\\{}[\]*?,]/g, '\\$&'))
  const [only = ''] = escaped
  return escaped.length === 1 ? only : `{${escaped.join(',')}}`
}
