import { DatabaseSync } from 'node:sqlite'
import { messageOf, Problem } from '../contract/problem.ts'
import type { LogBounds } from './event-log.ts'
import { LOG_BUSY_MS } from './limits.ts'

/** The newest form of the file that this code reads and writes. */
export const LOG_FORMAT = 1

export type LogEntry = { readonly bucket: number; readonly headers: string; readonly value: Uint8Array }
export type StoredEntry = { readonly position: number; readonly headers: string; readonly value: Uint8Array }

/** The log's file, synchronously: what the worker thread of sqlite-log.ts runs. Positions come from AUTOINCREMENT. */
export type LogFile = {
  readonly id: string
  readonly buckets: number
  /** One transaction, synced before it returns. Positions in the order of the entries. */
  append(entries: readonly LogEntry[]): readonly number[]
  read(bucket: number, from: number, maxBytes: number): readonly StoredEntry[]
  /** Removes at most `limit` records below `to`; returns how many. */
  trim(bucket: number, to: number, limit: number): number
  bounds(bucket: number): LogBounds
  /** Makes it another log: a new id, and what it holds numbered from 1 again. For a file that was restored. */
  mintAnew(id: string): void
  close(): void
}

const tableOf = (bucket: number) => `bucket_${String(bucket).padStart(4, '0')}`

/**
 * Opens or creates the file; `id` is taken only when it is created. Raises `corrupt` for a newer format, `invalid` for
 * another number of buckets, `unavailable` when it cannot be opened.
 */
export function openLogFile(path: string, options: { readonly buckets: number; readonly id: string }): LogFile {
  const database = openDatabase(path)
  try {
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = ${LOG_BUSY_MS};
       PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA auto_vacuum = INCREMENTAL;`,
    )
    transaction(database, () => create(database, path, options))
  } catch (error) {
    database.close()
    throw error instanceof Problem ? error : unavailable(path, 'cannot be opened', error)
  }
  let id = readMeta(database, 'id') ?? ''
  const buckets = Array.from({ length: options.buckets }, (_, bucket) => statementsOf(database, bucket))
  const bucketAt = (bucket: number) => {
    const statements = buckets[bucket]
    if (!statements) throw new Problem('invalid', `the log has buckets 0 to ${buckets.length - 1}; found ${bucket}`)
    return statements
  }
  const end = database.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?')
  return {
    get id() {
      return id
    },
    buckets: options.buckets,
    append(entries) {
      try {
        return transaction(database, () =>
          entries.map(({ bucket, headers, value }) =>
            Number(bucketAt(bucket).insert.run(headers, value).lastInsertRowid),
          ),
        )
      } catch (error) {
        throw unavailable(path, 'cannot be appended to', error)
      }
    },
    read(bucket, from, maxBytes) {
      const result: StoredEntry[] = []
      let bytes = 0
      for (const row of bucketAt(bucket).read.iterate(from)) {
        const entry = { position: Number(row['position']), headers: String(row['headers']), value: blob(row['value']) }
        if (result.length > 0 && bytes + entry.value.length > maxBytes) break
        bytes += entry.value.length
        result.push(entry)
      }
      return result
    },
    trim: (bucket, to, limit) => Number(bucketAt(bucket).trim.run(to, limit).changes),
    bounds(bucket) {
      const next = Number(end.get(tableOf(bucket))?.['seq'] ?? 0) + 1
      const first = bucketAt(bucket).first.get()?.['first']
      return { first: first === null || first === undefined ? next : Number(first), next }
    },
    mintAnew(newId) {
      transaction(database, () => {
        for (let bucket = 0; bucket < options.buckets; bucket++) {
          const table = tableOf(bucket)
          database.exec(`ALTER TABLE ${table} RENAME TO old; DELETE FROM sqlite_sequence WHERE name = 'old'`)
          database.exec(`${createTable(bucket)}; INSERT INTO ${table} (headers, value)
            SELECT headers, value FROM old ORDER BY position; DROP TABLE old`)
          buckets[bucket] = statementsOf(database, bucket)
        }
        database.prepare(`UPDATE meta SET value = ? WHERE key = 'id'`).run(newId)
      })
      id = newId
    },
    close: () => database.close(),
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (error) {
    throw unavailable(path, 'cannot be opened', error)
  }
}

function unavailable(path: string, what: string, cause: unknown): Problem {
  return new Problem('unavailable', `the event log ${path} ${what}: ${messageOf(cause)}`, { outcome: 'unknown', cause })
}

function createTable(bucket: number): string {
  return `CREATE TABLE IF NOT EXISTS ${tableOf(bucket)} (
    position INTEGER PRIMARY KEY AUTOINCREMENT, headers TEXT NOT NULL, value BLOB NOT NULL)`
}

function create(database: DatabaseSync, path: string, options: { readonly buckets: number; readonly id: string }) {
  database.exec('CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
  const format = readMeta(database, 'format')
  if (format === undefined) {
    const put = database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)')
    put.run('format', String(LOG_FORMAT))
    put.run('id', options.id)
    put.run('buckets', String(options.buckets))
    for (let bucket = 0; bucket < options.buckets; bucket++) database.exec(createTable(bucket))
    return
  }
  if (Number(format) > LOG_FORMAT) {
    throw new Problem(
      'corrupt',
      `the event log ${path} is of format ${format}; this Hearth reads up to format ${LOG_FORMAT}: use a newer Hearth`,
    )
  }
  const found = readMeta(database, 'buckets')
  if (Number(found) !== options.buckets) {
    throw new Problem(
      'invalid',
      `the event log ${path} has ${found} buckets, the lake's layout ${options.buckets}: they belong to different lakes`,
    )
  }
}

function readMeta(database: DatabaseSync, key: string): string | undefined {
  const value = database.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value']
  return typeof value === 'string' ? value : undefined
}

function statementsOf(database: DatabaseSync, bucket: number) {
  const table = tableOf(bucket)
  return {
    insert: database.prepare(`INSERT INTO ${table} (headers, value) VALUES (?, ?)`),
    read: database.prepare(`SELECT position, headers, value FROM ${table} WHERE position >= ? ORDER BY position`),
    trim: database.prepare(
      `DELETE FROM ${table} WHERE position IN (SELECT position FROM ${table} WHERE position < ? ORDER BY position LIMIT ?)`,
    ),
    first: database.prepare(`SELECT min(position) AS first FROM ${table}`),
  }
}

function transaction<T>(database: DatabaseSync, body: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = body()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function blob(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Problem('corrupt', 'a log record holds no bytes')
  return value
}
