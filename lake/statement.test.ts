import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { openDuckDb } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake } from './lake.ts'
import { STATEMENT_MAX_CHARACTERS, STATEMENT_QUERIES_MAX } from './limits.ts'
import { openQuery, type Query } from './query.ts'
import { checkStatement } from './statement.ts'

const folder = mkdtempSync(join(tmpdir(), 'hearth-statement-'))
/** Files that nobody may read: one beside the lake, and copies in it, where the engine itself would be able to. */
const outside = join(folder, 'outside.csv')
const inside = join(folder, 'lake', 'inside.csv')
const stray = join(folder, 'lake', 'stray.parquet')
const CANARY = 'canary-value-4711'
let query: Query

beforeAll(async () => {
  const store = openFolderStore(join(folder, 'lake'))
  const options = { store, clock: machineClock, random: machineRandom, fleet: 'f', region: 'r', buckets: 4 }
  query = await openQuery({ lake: await createLake(options), clock: machineClock, memory_limit: '256MB' })
  writeFileSync(outside, `a,b\n1,${CANARY}\n`)
  copyFileSync(outside, inside)
  await using duckdb = await openDuckDb()
  await duckdb.connection.run(`COPY (SELECT '${CANARY}' AS b) TO '${stray}'`)
})
afterAll(async () => {
  await query[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** The refusal's message; fails when it was answered. */
async function refusalOf(sql: string): Promise<string> {
  const outcome = await query.run(sql).then(
    ({ rows }) => ({ answered: JSON.stringify(rows) }),
    (error: unknown) => ({ error }),
  )
  if ('answered' in outcome) throw new Error(`answered: ${outcome.answered}`)
  expect(outcome.error).toMatchObject({ name: 'Problem', outcome: 'did-not-happen' })
  const message = outcome.error instanceof Error ? outcome.error.message : ''
  expect(message).not.toContain(CANARY)
  return message
}

describe('another statement than one SELECT', () => {
  const READ_ONLY = 'only a SELECT can be asked here: the lake is read-only'
  test.each([
    "COPY (SELECT 1) TO '/dev/shm/x.csv'",
    "COPY events FROM '/etc/passwd'",
    'COPY FROM DATABASE memory TO other',
    "ATTACH '/etc/passwd' AS p",
    "ATTACH ':memory:' AS m",
    'DETACH memory',
    'INSTALL httpfs',
    "INSTALL spatial FROM 'http://127.0.0.1/'",
    'FORCE INSTALL icu',
    'LOAD json',
    "LOAD '/etc/passwd'",
    'UPDATE EXTENSIONS',
    'SET threads = 1',
    'SET GLOBAL enable_external_access = true',
    "SET VARIABLE a = 'b'",
    'RESET lock_configuration',
    'PRAGMA enable_external_access',
    'CALL pragma_version()',
    "CALL read_text('/etc/passwd')",
    'USE memory',
    'CREATE TABLE t AS SELECT 1',
    "CREATE TEMP VIEW readings AS SELECT * FROM read_text('/etc/passwd')",
    "CREATE MACRO lower(x) AS getenv('HOME')",
    "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
    'CREATE SCHEMA s',
    'CREATE SEQUENCE s',
    "CREATE TYPE t AS ENUM ('a')",
    'DROP VIEW events',
    'ALTER VIEW events RENAME TO other',
    'INSERT INTO events SELECT * FROM events',
    'UPDATE events SET kind = 1',
    'DELETE FROM events',
    'TRUNCATE events',
    'MERGE INTO events USING events e ON true WHEN MATCHED THEN DELETE',
    'PREPARE p AS SELECT 1',
    'EXECUTE p',
    'DEALLOCATE p',
    'EXPLAIN SELECT 1',
    'EXPLAIN ANALYZE SELECT 1',
    "EXPORT DATABASE '/dev/shm/x'",
    "IMPORT DATABASE '/dev/shm/x'",
    'BEGIN',
    'COMMIT',
    'CHECKPOINT',
    'VACUUM',
    'ANALYZE',
    "COMMENT ON VIEW events IS 'x'",
    '/* SELECT 1 */ SET threads = 1',
    '-- SELECT 1\nSET threads = 1',
  ])('%s', async (sql) => {
    const message = await refusalOf(sql)
    // The parser knows not all of these; it never takes one for a SELECT.
    expect(message === READ_ONLY || /, line \d+, column \d+\n/.test(message), message).toBe(true)
  })

  test.each([
    ['SELECT 1; SELECT 2', 'found 2 statements'],
    ['SELECT 1; DROP VIEW events', 'only a SELECT'],
    ['SET threads = 1; SELECT 1', 'only a SELECT'],
    ['SELECT 1 /* ; */; SELECT 2 --', 'found 2 statements'],
    ["SELECT ';'; SELECT $$;$$", 'found 2 statements'],
    ['', 'found 0 statements'],
    [';', 'found 0 statements'],
    ['-- only a comment', 'found 0 statements'],
    ['SELECT 1\0; DROP VIEW events', 'NUL'],
    ['SELECT $1', 'parameters'],
    ['SELECT ?', 'parameters'],
    ['SELECT $name', 'parameters'],
    ['DESCRIBE events', 'not allowed'],
    ['SUMMARIZE events', 'not allowed'],
    ['SHOW events', 'not allowed'],
    ['SHOW TABLES', 'not allowed'],
    ['SHOW ALL TABLES', 'not allowed'],
    ['FROM (DESCRIBE events)', 'not allowed'],
    ['FROM (SHOW DATABASES)', ''],
    ['SELECT * FROM (SUMMARIZE SELECT 1)', 'not allowed'],
    ['PRAGMA database_list', 'only a SELECT'],
    ['PRAGMA show_tables', 'only a SELECT'],
    ['WITH x AS (INSERT INTO events SELECT 1 RETURNING *) SELECT * FROM x', 'needs a SELECT'],
    ['SELECT 1 INTO t', ''],
  ])('%j: %s', async (sql, message) => {
    expect(await refusalOf(sql)).toContain(message)
  })
})

describe('a file, by whatever name', () => {
  const files = (path: string) => [
    `SELECT * FROM '${path}'`,
    `FROM '${path}'`,
    `FROM "${path}"`,
    `TABLE "${path}"`,
    `SELECT * FROM "${path}" AS readings`,
    `SELECT * FROM read_csv('${path}')`,
    `SELECT * FROM read_csv_auto('${path}')`,
    `SELECT * FROM READ_TEXT('${path}')`,
    `SELECT * FROM "read_blob"('${path}')`,
    `SELECT * FROM read_text($$${path}$$)`,
    `SELECT * FROM main.read_text('${path}')`,
    `SELECT * FROM system.main.read_text('${path}')`,
    `SELECT * FROM read_json('${path}')`,
    `SELECT * FROM read_ndjson_objects('${path}')`,
    `SELECT * FROM read_parquet(['${path}'])`,
    `SELECT * FROM parquet_metadata('${path}')`,
    `SELECT * FROM parquet_schema('${path}')`,
    `SELECT * FROM parquet_kv_metadata('${path}')`,
    `SELECT * FROM sniff_csv('${path}')`,
    `SELECT * FROM glob('${path}')`,
    `SELECT * FROM read_duckdb('${path}')`,
    `SELECT * FROM seq_scan('${path}')`,
    `SELECT * FROM query('FROM "${path}"')`,
    `SELECT * FROM query_table('${path}')`,
    `SELECT * FROM query_table(['${path}'])`,
    `SELECT * FROM json_execute_serialized_sql('${path}')`,
    `SELECT json_execute_serialized_sql('${path}')`,
    `SELECT 1 FROM range(1), LATERAL read_text('${path}')`,
    `SELECT 1 FROM range(1) AS t(x) JOIN read_text('${path}') ON true`,
    `SELECT 1 FROM range(1) POSITIONAL JOIN '${path}'`,
    `SELECT (SELECT b FROM '${path}')`,
    `SELECT 1 WHERE EXISTS (FROM '${path}')`,
    `SELECT 1 WHERE 1 IN (SELECT a FROM "${path}")`,
    `SELECT 1 ORDER BY (SELECT a FROM '${path}')`,
    `SELECT 1 LIMIT (SELECT a FROM '${path}')`,
    `SELECT 1 GROUP BY (SELECT a FROM '${path}')`,
    `SELECT count(*) FILTER (WHERE (SELECT true FROM '${path}'))`,
    `SELECT sum(1) OVER (ORDER BY (SELECT a FROM '${path}'))`,
    `SELECT 1 QUALIFY (SELECT a FROM '${path}') = 1`,
    `SELECT [x FOR x IN (SELECT list(b) FROM '${path}')]`,
    `SELECT list_transform([1], lambda x: (SELECT b FROM '${path}'))`,
    `SELECT * EXCLUDE (b) FROM '${path}'`,
    `SELECT 1 UNION ALL SELECT a FROM '${path}'`,
    `FROM (PIVOT '${path}' ON a IN (1) USING count(*))`,
    `FROM (UNPIVOT '${path}' ON a)`,
    `VALUES ((SELECT b FROM '${path}'))`,
    // WITH under a file's name: it hides the file only where it is in scope.
    `WITH "${path}" AS (SELECT * FROM "${path}") SELECT * FROM "${path}"`,
    `WITH "${path}" AS MATERIALIZED (SELECT * FROM "${path}") SELECT * FROM "${path}"`,
    `WITH RECURSIVE "${path}" AS (SELECT * FROM "${path}") SELECT * FROM "${path}"`,
    `WITH a AS (SELECT * FROM "${path}"), "${path}" AS (SELECT 1) SELECT * FROM a`,
    `WITH RECURSIVE a AS (SELECT * FROM "${path}"), "${path}" AS (SELECT 1) SELECT * FROM a`,
    `SELECT (WITH "${path}" AS (SELECT 1) SELECT 1), * FROM "${path}"`,
    `SELECT * FROM (WITH "${path}" AS (SELECT 1) SELECT 1) JOIN "${path}" ON true`,
    `WITH x AS (WITH "${path}" AS (SELECT 1) SELECT 1) SELECT * FROM "${path}"`,
    `SELECT * FROM x UNION ALL (WITH x AS (SELECT 1) SELECT * FROM "${path}")`,
    `SELECT * FROM read_text('${path}') WHERE false`,
    `SELECT * FROM events, '${path}' LIMIT 0`,
  ]
  test.each([...files(outside), ...files(inside), ...files(stray), ...files('http://127.0.0.1:1/x.parquet')])(
    '%s',
    async (sql) => {
      expect(await refusalOf(sql)).toMatch(/no table|not allowed|no schema/)
    },
  )
})

describe('what tells of the engine, the machine or the session', () => {
  test.each([
    'sqlite_master',
    'sqlite_schema',
    'duckdb_tables',
    'duckdb_columns',
    'duckdb_settings',
    'duckdb_secrets',
    'pg_tables',
    'information_schema.tables',
    'pg_catalog.pg_class',
    'memory.main.events',
    'temp.events',
    'system.information_schema.columns',
  ])('the table %s', async (table) => {
    expect(await refusalOf(`SELECT * FROM ${table}`)).toMatch(/no table|no schema/)
    expect(await refusalOf(`WITH a AS (FROM ${table}), ${table.replaceAll('.', '_')} AS (SELECT 1) FROM a`)).toMatch(
      /no table|no schema/,
    )
  })

  test.each([
    "getenv('HOME')",
    "GetEnv('HOME')",
    `"getenv"('HOME')`,
    "system.main.getenv('HOME')",
    "('HOME').getenv()",
    "current_setting('home_directory')",
    "getvariable('x')",
    'version()',
    'current_database()',
    'current_schemas(true)',
    'current_query()',
    "write_log('x')",
    'sleep_ms(10000)',
    'pg_sleep(10)',
    "nextval('s')",
    "json_serialize_sql('SELECT 1')",
    "json_deserialize_sql('{}')",
    "json_serialize_plan('SELECT 1')",
    "list_aggregate(['HOME'], 'getenv')",
  ])('the function %s', async (call) => {
    expect(await refusalOf(`SELECT ${call}`)).not.toBe('')
    expect(await refusalOf(`SELECT count(*) FROM events WHERE ${call} = 'x'`)).not.toBe('')
    expect(await refusalOf(`SELECT list_transform([1], lambda x: ${call})`)).not.toBe('')
  })
})

test('the words of SQL that stand for the session tell what every engine would tell', async () => {
  const { rows } = await query.run('SELECT user, current_user, session_user, current_role, current_catalog')
  expect(rows).toEqual([['duckdb', 'duckdb', 'duckdb', 'duckdb', 'memory']])
})

describe('a statement out of all proportion', () => {
  const many = (count: number) => Array.from({ length: count }, () => 'SELECT 1').join(' UNION ALL ')
  test('of more SELECTs than the limit', async () => {
    expect((await query.run(many(200))).rows).toHaveLength(200)
    expect(await refusalOf(many(STATEMENT_QUERIES_MAX + 1))).toContain(`at most ${STATEMENT_QUERIES_MAX} SELECTs`)
  })
  test('of more characters than the limit', async () => {
    const of = (characters: number) => `SELECT '${'x'.repeat(characters - "SELECT ''".length)}'`
    expect((await query.run(of(STATEMENT_MAX_CHARACTERS))).rows).toHaveLength(1)
    expect(await refusalOf(of(STATEMENT_MAX_CHARACTERS + 1))).toContain(`at most ${STATEMENT_MAX_CHARACTERS}`)
  })
  test.each([
    ['parentheses', `SELECT ${'('.repeat(40_000)}1${')'.repeat(40_000)}`],
    ['terms', `SELECT 1${'+1'.repeat(40_000)}`],
    ['lists', `SELECT ${'['.repeat(40_000)}1${']'.repeat(40_000)}`],
    ['subqueries', `SELECT ${'(SELECT '.repeat(9_000)}1${')'.repeat(9_000)}`],
    ['cases', `SELECT ${'CASE WHEN '.repeat(9_000)}`],
  ])('of very deep %s', async (_what, sql) => {
    const message = await refusalOf(sql)
    expect(message).not.toBe('')
    expect(message.length).toBeLessThan(1_000)
  })
})

describe('what is asked, and only meant well', () => {
  test.each([
    'SELECT 1;',
    '  /* why */ SELECT 1 -- because',
    '(SELECT 1)',
    'FROM events',
    'FROM events SELECT kind',
    'TABLE events',
    'VALUES (1), (2)',
    "SELECT 'read_text(''/etc/passwd'')', $$FROM '/etc/passwd'$$",
    'SELECT "kind" FROM "events"',
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n',
    'WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM a) SELECT * FROM b, a',
    'WITH events AS (SELECT * FROM events) SELECT * FROM events',
    'SELECT kind, count(*) FILTER (WHERE value > 1) FROM events GROUP BY ALL HAVING count(*) > 0 ORDER BY ALL',
    'SELECT * EXCLUDE (bucket) REPLACE (value * 2 AS value) FROM events',
    "SELECT COLUMNS('.*_id') FROM events",
    'SELECT e.kind FROM events e SEMI JOIN readings r USING (hub_id)',
    'SELECT * FROM events e ASOF JOIN events f ON e.hub_id = f.hub_id AND e.event_time >= f.event_time',
    'FROM (PIVOT (SELECT 1 AS a, 2 AS b) ON a IN (1) USING sum(b))',
    "SELECT extra['queue'], map_keys(extra) FROM events",
    "SELECT date_trunc('hour', event_time), epoch_ms(event_time), event_time AT TIME ZONE 'Europe/Berlin' FROM events",
    'SELECT extract(hour FROM event_time), event_time - INTERVAL 1 DAY, current_date, now() FROM events',
    'SELECT quantile_cont(value, 0.99) FROM events WHERE kind LIKE $$read%$$ ESCAPE $$!$$',
    'SELECT row_number() OVER (PARTITION BY hub_id ORDER BY seq), lag(value) OVER w FROM events WINDOW w AS (ORDER BY seq)',
    'SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1], list_transform([1], lambda x: x + 1)',
    'SELECT unnest([1, 2]), i FROM range(2) AS t(i)',
    "SELECT CASE WHEN value IS NULL THEN 'none' ELSE value::VARCHAR END, coalesce(text, ''), nullif(1, 1) FROM events",
    "SELECT json_extract_string('{\"a\": 1}', '$.a'), '{\"a\": 1}'::JSON ->> 'a'",
    'SELECT * FROM events USING SAMPLE 10 ROWS',
    'SELECT * FROM events TABLESAMPLE 10%',
  ])('%s', async (sql) => {
    await expect(query.run(sql)).resolves.toMatchObject({ truncated: false })
  })
})

describe('a refusal says what to do', () => {
  test.each([
    ['SELECT nope FROM events', /"nope" not found.*[Cc]andidate/s],
    ['SELECT hub FROM events', /hub_id/],
    ['SELECT * FROM event', /no table event; did you mean events\?/],
    ['SELECT * FROM command_stage', /did you mean command_stages\?/],
    ['SELECT * FROM nothing_like_it', /no table nothing_like_it; there are .*events.*readings/],
    ['SELECT cuont(*) FROM events', /function cuont is not allowed here; did you mean count\?/],
    ["SELECT getenv('HOME')", /getenv is not allowed here/],
    ["SELECT * FROM read_csv('x')", /read_csv\(…\) is not allowed in FROM; allowed are unnest, range/],
    ['SELECT FROM WHERE', /line 1, column \d+\n.*\n.*\^/],
    ['SELECT *\nFROM events\nWHER kind = 1', /line 3, column/],
    ['SELECT * FROM main.events', /write events, not main.events/],
    ['SELECT * FROM events AT (VERSION => 3)', /--at/],
    ['DELETE FROM events', /read-only/],
  ])('%s', async (sql, message) => {
    expect(await refusalOf(sql)).toMatch(message)
  })
})

test('whatever was asked, nothing was written beside the lake or changed in the engine', async () => {
  expect(readdirSync(folder).sort()).toEqual(['lake', 'outside.csv'])
  await using duckdb = await openDuckDb()
  const { tables } = await checkStatement(
    duckdb.connection,
    'WITH a AS (FROM readings), b AS (FROM a) SELECT * FROM b, (FROM events), a WHERE 1 IN (SELECT 1 FROM health)',
  )
  expect([...tables].sort()).toEqual(['events', 'health', 'readings'])
})
