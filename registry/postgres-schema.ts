import { Problem } from '../contract/problem.ts'
import type { Ask } from './postgres-line.ts'
import { checkMeta, newMeta, type RegistryMeta, type RegistryOptions } from './registry-options.ts'
import { number, text } from './row.ts'

/** Schema of the tables, and the name under which changes are announced. */
export const POSTGRES_SCHEMA = 'hearth'
/** Of those who make the tables at once, one does: a number of no meaning, as pg_advisory_xact_lock takes it. */
const MAKING_LOCK = 4_712_202_611

/**
 * As SQLite's (sqlite-schema.ts), with a `version` for each row: the trigger gives a written row the next number, whoever
 * writes it, psql too. It does so by updating the one row of `meta`, which stays locked until the transaction ends: so
 * changes are made one after the other, and a version that can be seen has none to come below it.
 */
const TABLES = `
CREATE SCHEMA IF NOT EXISTS ${POSTGRES_SCHEMA};
CREATE TABLE meta (one boolean PRIMARY KEY DEFAULT true CHECK (one), format integer NOT NULL, fleet text NOT NULL,
  epoch integer NOT NULL, buckets integer NOT NULL, boot text NOT NULL, wall_ms bigint NOT NULL,
  version bigint NOT NULL DEFAULT 0);
CREATE TABLE hubs (hub text COLLATE "C", valid_from_ms bigint, record text NOT NULL, version bigint NOT NULL,
  PRIMARY KEY (hub, valid_from_ms));
CREATE TABLE changes (bucket integer, seq bigint, event text NOT NULL, version bigint NOT NULL, PRIMARY KEY (bucket, seq));
CREATE TABLE tokens (hash text PRIMARY KEY, app text NOT NULL, principal text NOT NULL, created_ms bigint NOT NULL,
  expires_ms bigint, revoked_ms bigint, version bigint NOT NULL);
CREATE TABLE certificates (serial text PRIMARY KEY, source text NOT NULL, role text NOT NULL, generation integer NOT NULL,
  issued_ms bigint NOT NULL, expires_ms bigint NOT NULL, revoked_ms bigint, reason text, version bigint NOT NULL);
CREATE INDEX certificates_source ON certificates (source, generation);
CREATE TABLE codes (hash text PRIMARY KEY, hub text NOT NULL, created_ms bigint NOT NULL, expires_ms bigint NOT NULL,
  key_hash text, generation integer);
CREATE INDEX codes_hub ON codes (hub);
CREATE TABLE claims (serial text PRIMARY KEY, batch text NOT NULL, device text NOT NULL, key_hash text, generation integer,
  claimed_ms bigint);
CREATE INDEX claims_batch ON claims (batch);
CREATE TABLE deleted (name text NOT NULL, key text NOT NULL, version bigint NOT NULL, PRIMARY KEY (name, key));
CREATE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ${POSTGRES_SCHEMA}.meta SET version = version + 1 RETURNING version INTO NEW.version;
  PERFORM pg_notify('${POSTGRES_SCHEMA}', '');
  RETURN NEW;
END $$;
CREATE FUNCTION token_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${POSTGRES_SCHEMA}.deleted VALUES ('tokens', OLD.hash, 0);
  RETURN OLD;
END $$;
CREATE TRIGGER token_deleted AFTER DELETE ON tokens FOR EACH ROW EXECUTE FUNCTION token_deleted();
${['hubs', 'changes', 'tokens', 'certificates', 'deleted']
  .map(
    (
      table,
    ) => `CREATE TRIGGER versioned BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION next_version();
CREATE INDEX ${table}_version ON ${table} (version);`,
  )
  .join('\n')}
`

/** Tables that came later: a database of an older Hearth gets them too, and they are nothing to it. */
const LATER = 'CREATE TABLE IF NOT EXISTS trust (hub text PRIMARY KEY, serial text NOT NULL, cas text NOT NULL)'

/** A registry's own facts, and how many rows were written so far. */
export type PostgresMeta = RegistryMeta & { readonly version: number }

/** Of the registry in this database; undefined where there is none. Raises what `checkMeta` raises. */
export async function readMeta(ask: Ask, place: string, options: RegistryOptions): Promise<PostgresMeta | undefined> {
  if (!(await isThere(ask, 'meta'))) return undefined
  const { rows } = await ask('SELECT format, fleet, epoch, buckets, boot, wall_ms, version FROM meta')
  const [row] = rows
  if (!row)
    throw new Problem('corrupt', `${place} has a schema ${POSTGRES_SCHEMA} without its facts: restore it from a copy`)
  const [format, epoch, buckets, wall_ms, version] = ['format', 'epoch', 'buckets', 'wall_ms', 'version'].map((key) =>
    number(row[key]),
  )
  const numbers = { format: format ?? 0, epoch: epoch ?? 0, buckets: buckets ?? 0, wall_ms: wall_ms ?? 0 }
  const meta = { ...numbers, fleet: text(row['fleet']), boot: text(row['boot']) }
  return { ...checkMeta(meta, place, options), version: version ?? 0 }
}

/** As rows say it: `to_regclass` answers from a cache, which may not know yet what another session committed just now. */
async function isThere(ask: Ask, table: string): Promise<boolean> {
  const { rows } = await ask('SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2', POSTGRES_SCHEMA, table)
  return rows.length > 0
}

/** Are all tables there, those of this version too? */
export async function areTablesThere(ask: Ask): Promise<boolean> {
  return (await isThere(ask, 'meta')) && (await isThere(ask, 'trust'))
}

/** Makes the tables that are lacking, unless somebody else just did. */
export async function makeTables(ask: Ask, options: RegistryOptions): Promise<void> {
  await ask('SELECT pg_advisory_xact_lock($1)', MAKING_LOCK)
  const isNew = !(await isThere(ask, 'meta'))
  if (isNew) await ask(TABLES)
  await ask(LATER)
  if (!isNew) return
  const { format, fleet, epoch, buckets, boot, wall_ms } = newMeta(options)
  await ask(
    'INSERT INTO meta (format, fleet, epoch, buckets, boot, wall_ms) VALUES ($1, $2, $3, $4, $5, $6)',
    ...[format, fleet, epoch, buckets, boot, wall_ms],
  )
}
