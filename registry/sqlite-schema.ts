import { DatabaseSync } from 'node:sqlite'
import { messageOf, Problem } from '../contract/problem.ts'
import { BUSY_TIMEOUT_MS } from './limits.ts'
import { checkMeta, newMeta, type RegistryMeta, type RegistryOptions } from './registry-options.ts'

const TABLES = `
CREATE TABLE hubs (hub TEXT, valid_from_ms INTEGER, record TEXT NOT NULL, PRIMARY KEY (hub, valid_from_ms)) WITHOUT ROWID;
CREATE TABLE changes (bucket INTEGER, seq INTEGER, event TEXT NOT NULL, PRIMARY KEY (bucket, seq)) WITHOUT ROWID;
CREATE TABLE tokens (hash TEXT PRIMARY KEY, app TEXT NOT NULL, principal TEXT NOT NULL, created_ms INTEGER NOT NULL,
  expires_ms INTEGER, revoked_ms INTEGER) WITHOUT ROWID;
CREATE TABLE certificates (serial TEXT PRIMARY KEY, source TEXT NOT NULL, role TEXT NOT NULL,
  generation INTEGER NOT NULL, issued_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, revoked_ms INTEGER,
  reason TEXT) WITHOUT ROWID;
CREATE INDEX certificates_source ON certificates (source, generation);
CREATE TABLE codes (hash TEXT PRIMARY KEY, hub TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  key_hash TEXT, generation INTEGER) WITHOUT ROWID;
CREATE INDEX codes_hub ON codes (hub);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`

/** Tables that came later: a file of an older Hearth gets them too, and they are nothing to it. */
const LATER = `
CREATE TABLE IF NOT EXISTS claims (serial TEXT PRIMARY KEY, batch TEXT NOT NULL, device TEXT NOT NULL, key_hash TEXT,
  generation INTEGER, claimed_ms INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claims_batch ON claims (batch);
CREATE TABLE IF NOT EXISTS trust (hub TEXT PRIMARY KEY, serial TEXT NOT NULL, cas TEXT NOT NULL) WITHOUT ROWID;
`

/** Opens the database, creating it when it is new, as `made` says. Raises what `openSqliteRegistry` raises. */
export function openDatabase(path: string, options: RegistryOptions, made = newMeta(options)) {
  return translate(path, () => {
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
      database.exec('BEGIN IMMEDIATE')
      const isNew = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === undefined
      if (isNew) create(database, made)
      database.exec(LATER)
      database.exec('COMMIT')
      return { database, ...checkMeta(readMeta(database), path, options) }
    } catch (error) {
      database.close()
      throw error
    }
  })
}

function create(database: DatabaseSync, meta: RegistryMeta) {
  database.exec(TABLES)
  const insert = database.prepare('INSERT INTO meta VALUES (?, ?)')
  for (const [key, value] of Object.entries(meta)) insert.run(key, String(value))
}

function readMeta(database: DatabaseSync): RegistryMeta {
  const rows = database.prepare('SELECT key, value FROM meta').all()
  const found = new Map(rows.map((row) => [String(row['key']), String(row['value'])]))
  const [format, epoch, buckets, wall_ms] = ['format', 'epoch', 'buckets', 'wall_ms'].map((key) =>
    Number(found.get(key)),
  )
  return {
    ...{ format: format ?? 0, epoch: epoch ?? 0, buckets: buckets ?? 0, wall_ms: wall_ms ?? 0 },
    ...{ fleet: found.get('fleet') ?? '', boot: found.get('boot') ?? '' },
  }
}

/** Runs `action`, turning what SQLite raises into Problems. Result codes: https://sqlite.org/rescode.html */
export function translate<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0
    if (code === 0) throw error
    const found = messageOf(error)
    switch (code & 0xff) {
      case 5:
        throw new Problem(
          'unavailable',
          `${path} is locked by another process for over ${BUSY_TIMEOUT_MS} ms: ${found}`,
          {
            cause: error,
          },
        )
      case 8:
      case 14:
        throw new Problem(
          'unavailable',
          `${path} cannot be opened for writing: check that its folder exists and is yours (${found})`,
          { cause: error },
        )
      case 13:
        throw new Problem('limit', `no space left for ${path}: free some, then try again (${found})`, { cause: error })
      case 11:
      case 26:
        throw new Problem('corrupt', `${path} is not a sound registry database: restore it from a copy (${found})`, {
          cause: error,
        })
      default:
        throw new Problem('internal', `${path}: ${found}`, { outcome: 'unknown', cause: error })
    }
  }
}
