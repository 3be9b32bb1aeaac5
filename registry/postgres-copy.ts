/** A registry's copy on this machine: a SQLite file from which everything is answered, with Postgres there or not. */

import type { RegistryMeta, RegistryOptions } from './registry-options.ts'
import { number } from './row.ts'
import { openDatabase } from './sqlite-schema.ts'
import { openStatements, type Reads } from './sqlite-statements.ts'
import { type Row, row, run, type Steps, type Value } from './steps.ts'

/** What is copied; codes are not, since only a change asks for them. */
export const COPIED = {
  hubs: ['hub', 'valid_from_ms', 'record'],
  changes: ['bucket', 'seq', 'event'],
  tokens: ['hash', 'app', 'principal', 'created_ms', 'expires_ms', 'revoked_ms'],
  certificates: ['serial', 'source', 'role', 'generation', 'issued_ms', 'expires_ms', 'revoked_ms', 'reason'],
} as const
export type CopiedTable = keyof typeof COPIED

/** Rows whose version is above `from` and at most `upto`; `deleted` are hashes of tokens. */
export type CopyStep = {
  readonly from: number
  readonly upto: number
  readonly rows: Readonly<Record<CopiedTable, readonly Row[]>>
  readonly deleted: readonly string[]
}

export type Copy = Reads & {
  readonly boot: string
  readonly wall_ms: number
  /** Up to which version it has everything; 0 for an empty one. */
  version(): number
  /** Takes a step over, unless another process did so before. */
  apply(step: CopyStep): void
  /** Forgets everything: the database is another one, or went back. */
  restart(meta: RegistryMeta): void
  /** When some process last saw that the copy is whole, ms since 1970; 0: never. */
  seen_ms(): number
  see(now_ms: number): void
  close(): void
}

const SET = 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
const tables = Object.entries(COPIED)

/** Opens the copy at `path`; of `meta` when it is made now. Several processes may have it open, and each may apply. */
export function openCopy(path: string, options: RegistryOptions, meta?: RegistryMeta): Copy {
  const { database, boot, wall_ms } = openDatabase(path, options, meta)
  // What a power cut takes from it, Postgres has.
  database.exec('PRAGMA synchronous = NORMAL')
  const statements = openStatements(database, path, () => undefined)
  const numberOf = (key: string) => Number(statements.get('SELECT value FROM meta WHERE key = ?', key)?.['value'] ?? 0)
  const its = { boot, wall_ms }
  return {
    ...{ get: statements.get, all: statements.all },
    get boot() {
      return its.boot
    },
    get wall_ms() {
      return its.wall_ms
    },
    version: () => numberOf('copied'),
    seen_ms: () => numberOf('seen_ms'),
    apply: (step) => statements.change(applied(step)),
    restart(next) {
      statements.change(emptied(next))
      Object.assign(its, { boot: next.boot, wall_ms: next.wall_ms })
    },
    see: (now_ms) => statements.change(run(SET, 'seen_ms', String(now_ms))),
    close: () => database.close(),
  }
}

function* applied({ from, upto, rows, deleted }: CopyStep): Steps<void> {
  const found = yield* row("SELECT CAST(value AS INTEGER) AS copied FROM meta WHERE key = 'copied'")
  if ((found === undefined ? 0 : number(found['copied'])) !== from) return
  for (const [table, columns] of tables) {
    const sql = `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
    for (const one of rows[table as CopiedTable]) yield* run(sql, ...columns.map((column) => valueOf(one[column])))
  }
  for (const hash of deleted) yield* run('DELETE FROM tokens WHERE hash = ?', hash)
  yield* run(SET, 'copied', String(upto))
}

function* emptied({ boot, wall_ms }: RegistryMeta): Steps<void> {
  for (const [table] of tables) yield* run(`DELETE FROM ${table}`)
  yield* run(SET, 'copied', '0')
  yield* run(SET, 'boot', boot)
  yield* run(SET, 'wall_ms', String(wall_ms))
}

function valueOf(value: unknown): Value {
  return typeof value === 'string' || typeof value === 'number' ? value : null
}
