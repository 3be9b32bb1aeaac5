import { DatabaseSync } from 'node:sqlite'
import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { randomHex } from '../contract/clock.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { formatBoot } from '../contract/source.ts'
import { BUSY_TIMEOUT_MS } from './limits.ts'

/** Rises when the tables change; a newer one than this code knows is refused. */
export const REGISTRY_FORMAT = 1

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

export type RegistryOptions = {
  readonly fleet: string
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
}

/** Opens the database, creating it when it is new. Raises what `openSqliteRegistry` raises. */
export function openDatabase(path: string, options: RegistryOptions) {
  return translate(path, () => {
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
      database.exec('BEGIN IMMEDIATE')
      const isNew = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === undefined
      if (isNew) create(database, options)
      database.exec('COMMIT')
      return { database, ...check(database, path, options) }
    } catch (error) {
      database.close()
      throw error
    }
  })
}

function create(database: DatabaseSync, { fleet, layout, clock, random }: RegistryOptions) {
  database.exec(TABLES)
  const insert = database.prepare('INSERT INTO meta VALUES (?, ?)')
  const boot = formatBoot({ generation: 1, counter: 1, random: randomHex(random, 4) })
  const meta = {
    format: REGISTRY_FORMAT,
    fleet,
    epoch: layout.epoch,
    buckets: layout.buckets,
    boot,
    wall_ms: clock.now(),
  }
  for (const [key, value] of Object.entries(meta)) insert.run(key, String(value))
}

function check(database: DatabaseSync, path: string, { fleet, layout }: RegistryOptions) {
  const meta = new Map(
    database
      .prepare('SELECT key, value FROM meta')
      .all()
      .map((row) => [String(row['key']), String(row['value'])]),
  )
  const format = Number(meta.get('format'))
  if (format !== REGISTRY_FORMAT) {
    throw new Problem(
      'invalid',
      `${path} has registry format ${format}, this version of Hearth knows ${REGISTRY_FORMAT}: use the version that wrote it, or a newer one`,
    )
  }
  if (meta.get('fleet') !== fleet) {
    throw new Problem(
      'conflict',
      `${path} is the registry of fleet ${JSON.stringify(meta.get('fleet'))}, this process is of fleet ${JSON.stringify(fleet)}: correct \`fleet\` in hearth.yaml, or use another folder`,
    )
  }
  if (Number(meta.get('epoch')) !== layout.epoch || Number(meta.get('buckets')) !== layout.buckets) {
    throw new Problem(
      'conflict',
      `${path} numbers its changes for layout epoch ${meta.get('epoch')} with ${meta.get('buckets')} buckets, the lake has epoch ${layout.epoch} with ${layout.buckets}: set layout.buckets to ${meta.get('buckets')}, or use another folder`,
    )
  }
  return { boot: meta.get('boot') ?? '', wall_ms: Number(meta.get('wall_ms')) }
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
