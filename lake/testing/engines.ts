import { join } from 'node:path'
import { machineClock, machineRandom } from '../../cli/machine.ts'
import type { Column, ColumnType } from '../../contract/column.ts'
import { askDeltaRs } from '../../infra/delta-rs/python.ts'
import type { Spark } from '../../infra/spark/spark.ts'
import { openFolderStore } from '../folder-store.ts'
import { openLake } from '../lake.ts'
import { openQuery } from '../query.ts'
import { duckDbType, identifier } from '../schema.ts'

/** Rows as every engine is made to tell them: times `us:…`, dates `day:…`, numbers that JSON cannot hold as text. */
type Rows = readonly (readonly unknown[])[]

/** How an engine writes a constant of a type, given as `2026-01-01 00:00:00.000001`, `2026-01-01`, `1.5`, `text`. */
type Dialect = (type: ColumnType, value: string) => string

export type Engine = {
  readonly name: 'Hearth' | 'Spark' | 'delta-rs'
  readonly dialect: Dialect
  /** Answers to questions over one table, which they call `t`. */
  ask(questions: readonly string[], version?: number): Promise<readonly Rows[]>
}

function dialect(timestamp: (value: string) => string, text: (value: string) => string): Dialect {
  return (type, value) => {
    if (type === 'timestamp') return timestamp(value)
    if (type === 'date') return `DATE '${value}'`
    if (type === 'string') return text(value)
    return type === 'double' ? `CAST('${value}' AS DOUBLE)` : value
  }
}

const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`

/** Hearth itself, as a fresh process would open the lake of which `table` is one. */
export function hearthEngine(lake_folder: string, table: string): Engine {
  return {
    name: 'Hearth',
    dialect: dialect((value) => `TIMESTAMPTZ '${value}+00'`, quoted),
    async ask(questions, version) {
      const store = openFolderStore(lake_folder)
      const lake = await openLake({ store, clock: machineClock, random: machineRandom })
      const { columns } = await (await lake.table(table)).snapshot(version === undefined ? {} : { version })
      await using query = await openQuery({ lake, clock: machineClock, threads: 1 })
      const answers: Rows[] = []
      for (const question of questions) {
        const sql = question.replace(/\bt\b/g, identifier(table)).replace('SELECT *', `SELECT ${plainList(columns)}`)
        const at = version === undefined ? {} : { at: { versions: { [table]: version } } }
        const found = await query.run(sql, at)
        answers.push(found.rows.map((row) => row.map((value, i) => plain(value, found.columns[i]?.type ?? ''))))
      }
      return answers
    },
  }
}

function plainList(columns: readonly Column[]): string {
  return columns
    .map(({ name, type }) => {
      const column = identifier(name)
      if (['TIMESTAMPTZ', 'TIMESTAMP'].includes(duckDbType(type))) return `'us:' || epoch_us(${column}) AS ${column}`
      if (duckDbType(type) === 'BLOB') return `lower(hex(${column})) AS ${column}`
      return type === 'date' ? `'day:' || (${column} - DATE '1970-01-01') AS ${column}` : column
    })
    .join(', ')
}

function plain(value: unknown, type: string): unknown {
  if (type === 'BIGINT' && typeof value === 'string' && Number.isSafeInteger(Number(value))) return Number(value)
  if (type.startsWith('MAP') && Array.isArray(value)) {
    return Object.fromEntries(value.map(({ key, value: of }: { key: string; value: unknown }) => [key, of]))
  }
  return value
}

export function sparkEngine(spark: Spark, folder: string): Engine {
  return {
    name: 'Spark',
    dialect: dialect(
      (value) => `TIMESTAMP '${value}Z'`,
      (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
    ),
    async ask(questions, version) {
      const table = `delta.\`${folder}\`${version === undefined ? '' : ` VERSION AS OF ${version}`}`
      const answers: Rows[] = []
      for (const question of questions) answers.push((await spark.sql(question.replace(/\bt\b/g, table))).rows)
      return answers
    },
  }
}

export function deltaRsEngine(folder: string): Engine {
  return {
    name: 'delta-rs',
    dialect: dialect((value) => `arrow_cast('${value}Z', 'Timestamp(Microsecond, Some("UTC"))')`, quoted),
    ask: (questions, version) => askDeltaRs(folder, questions, version),
  }
}

/** All three over one table of a lake. */
export function engines(spark: Spark, lake_folder: string, table: string): readonly Engine[] {
  const folder = join(lake_folder, table)
  return [hearthEngine(lake_folder, table), sparkEngine(spark, folder), deltaRsEngine(folder)]
}
