import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { translate } from './sqlite-schema.ts'
import type { Answer, Ask, Steps } from './steps.ts'

type Row = Record<string, SQLOutputValue>

/** SQL by its text, prepared once; what SQLite raises comes out as Problems that name the file. */
export type Reads = {
  readonly get: (sql: string, ...values: SQLInputValue[]) => Row | undefined
  readonly all: (sql: string, ...values: SQLInputValue[]) => readonly Row[]
}
export type Statements = Reads & {
  /** Returns how many rows changed. */
  readonly run: (sql: string, ...values: SQLInputValue[]) => number
  /** All of the writes of `steps` or none, synced when it returns; watchers hear of it. Must not be nested. */
  readonly change: <T>(steps: Steps<T>) => T
}

export function openStatements(database: DatabaseSync, path: string, changed: () => void): Statements {
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const prepare = (sql: string) => {
    const statement = prepared.get(sql) ?? database.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  const statements: Statements = {
    get: (sql, ...values) => translate(path, () => prepare(sql).get(...values)),
    all: (sql, ...values) => translate(path, () => prepare(sql).all(...values)),
    run: (sql, ...values) => translate(path, () => Number(prepare(sql).run(...values).changes)),
    change(steps) {
      translate(path, () => database.exec('BEGIN IMMEDIATE'))
      try {
        let rows = 0
        let step = steps.next()
        while (!step.done) {
          const told = answer(step.value)
          rows += told.changed
          step = steps.next(told)
        }
        translate(path, () => database.exec('COMMIT'))
        if (rows > 0) changed()
        return step.value
      } finally {
        if (database.isTransaction) database.exec('ROLLBACK')
      }
    },
  }
  const answer = ({ sql, values }: Ask): Answer =>
    sql.startsWith('SELECT')
      ? { rows: statements.all(sql, ...values), changed: 0 }
      : { rows: [], changed: statements.run(sql, ...values) }
  return statements
}
