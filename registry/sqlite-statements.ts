import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { translate } from './sqlite-schema.ts'

type Row = Record<string, SQLOutputValue>

/** SQL by its text, prepared once; what SQLite raises comes out as Problems that name the file. */
export type Statements = {
  readonly get: (sql: string, ...values: SQLInputValue[]) => Row | undefined
  readonly all: (sql: string, ...values: SQLInputValue[]) => readonly Row[]
  /** Returns how many rows changed. */
  readonly run: (sql: string, ...values: SQLInputValue[]) => number
  /** All of `action`'s writes or none, synced when it returns; watchers hear of it. Must not be nested. */
  readonly change: <T>(action: () => T) => T
}

export function openStatements(database: DatabaseSync, path: string, changed: () => void): Statements {
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const prepare = (sql: string) => {
    const statement = prepared.get(sql) ?? database.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  return {
    get: (sql, ...values) => translate(path, () => prepare(sql).get(...values)),
    all: (sql, ...values) => translate(path, () => prepare(sql).all(...values)),
    run: (sql, ...values) => translate(path, () => Number(prepare(sql).run(...values).changes)),
    change(action) {
      translate(path, () => database.exec('BEGIN IMMEDIATE'))
      try {
        const result = action()
        translate(path, () => database.exec('COMMIT'))
        changed()
        return result
      } finally {
        if (database.isTransaction) database.exec('ROLLBACK')
      }
    },
  }
}
