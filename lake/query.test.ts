import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { EVENTS_COLUMNS, EVENTS_SORT } from '../contract/events-table.ts'
import { openDuckDb, rowsOf } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake } from './lake.ts'
import { openQuery, type Query } from './query.ts'
import { writeFile } from './write.ts'

const folder = mkdtempSync(join(tmpdir(), 'hearth-query-'))
let query: Query
afterAll(async () => {
  await query[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Three files of two days: 10 readings and 5 health events of each of two hubs a day. */
beforeAll(async () => {
  const environment = { store: openFolderStore(join(folder, 'lake')), clock: machineClock, random: machineRandom }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 4 })
  const events = await lake.table('events')
  await using duckdb = await openDuckDb()
  for (const [day, bucket] of [
    ['2026-11-20', 0],
    ['2026-11-20', 1],
    ['2026-11-21', 0],
  ] as const) {
    const columns = EVENTS_COLUMNS.map(({ name }) => {
      const made: Record<string, string> = {
        hub_id: `'hub-${bucket}'`,
        seq: 'i',
        event_time: `TIMESTAMPTZ '${day} 06:00:00+00' + INTERVAL 1 MINUTE * i`,
        kind: "CASE WHEN i < 10 THEN 'reading' ELSE 'health' END",
        value: 'i * 1.5',
        extra: "MAP {'queue': '3'}",
      }
      return `${made[name] ?? 'NULL'} AS ${name}`
    })
    const base = await events.snapshot()
    const add = await writeFile({
      connection: duckdb.connection,
      select: `SELECT ${columns.join(', ')} FROM range(15) AS t(i)`,
      store: environment.store,
      prefix: events.prefix,
      columns: EVENTS_COLUMNS,
      partitionValues: { event_date: day, bucket: String(bucket) },
      sort: EVENTS_SORT,
      clock: machineClock,
      random: machineRandom,
      scratch_folder: join(folder, 'scratch'),
    })
    await events.commit({ id: `${day}-${bucket}`, kind: 'ingest', base, adds: [add], removes: [], txns: [], info: {} })
  }
  query = await openQuery({ lake, clock: machineClock })
})

describe('a query', () => {
  test('answers over the newest version, and says what it read', async () => {
    const { rows, columns, statistics } = await query.run(
      'SELECT kind, count(*) AS n FROM events GROUP BY ALL ORDER BY kind',
    )
    expect(columns.map(({ name }) => name)).toEqual(['kind', 'n'])
    expect(rows).toEqual([
      ['health', '15'],
      ['reading', '30'],
    ])
    expect(statistics).toMatchObject({ files: 3, files_total: 3, versions: { events: 3 } })
  })

  test('knows the views', async () => {
    const { rows } = await query.run(
      "SELECT count(*), (SELECT count(*) FROM health WHERE queue = 3) FROM readings WHERE hub_id = 'hub-0'",
    )
    expect(rows).toEqual([['20', '15']])
  })

  test.each([
    ["event_date = DATE '2026-11-21'", 1],
    ["event_date = '2026-11-21'", 1],
    ["event_time >= '2026-11-21 00:00:00'", 1],
    ["event_time < TIMESTAMPTZ '2026-11-20 05:00:00+00' + INTERVAL 1 DAY", 2],
    ["hub_id = 'hub-1'", 1],
    ["hub_id IN ('hub-1', 'hub-9')", 1],
    ['bucket BETWEEN 1 AND 3', 1],
    ["hub_id = 'hub-1' OR value > 3", 3],
    ["lower(hub_id) = 'hub-1'", 3],
    ["kind = 'irregular'", 3],
    ["kind = 'zebra'", 0],
  ])('reads only files that can match: %s', async (where, files) => {
    const found = await query.run(`SELECT count(*) FROM events WHERE ${where}`)
    expect(found.statistics.files).toBe(files)
    const all = await query.run(`SELECT count(*) FROM (SELECT * FROM events) WHERE ${where}`)
    expect(found.rows).toEqual(all.rows)
  })

  test('reads an older version when asked', async () => {
    const { rows, statistics } = await query.run('SELECT count(*) FROM events', { at: { versions: { events: 1 } } })
    expect(rows).toEqual([['15']])
    expect(statistics.versions).toEqual({ events: 1 })
    await expect(query.run('SELECT 1 FROM events', { at: { versions: { events: 99 } } })).rejects.toMatchObject({
      kind: 'missing',
    })
  })

  test('cuts a long answer and says so', async () => {
    const { rows, truncated } = await query.run('SELECT * FROM range(100)', { max_rows: 7 })
    expect([rows.length, truncated]).toEqual([7, true])
  })

  test('is really cancelled', async () => {
    const controller = new AbortController()
    const running = query.run('SELECT count(*) FROM range(1000000000) a, range(1000000) b', {
      signal: controller.signal,
    })
    setTimeout(() => controller.abort(), 100)
    await expect(running).rejects.toMatchObject({ kind: 'closed' })
    expect((await query.run('SELECT 1')).rows).toEqual([[1]])
  })

  test('describes every table and view', async () => {
    const names = (await query.schema()).map(({ name }) => name)
    expect(names).toEqual(['events', 'readings', 'command_stages', 'connections', 'health', 'dead_letters'])
  })
})

describe('what is not a question about the lake is refused', () => {
  test.each([
    ['DELETE FROM events', 'only a SELECT'],
    ['SELECT 1; SELECT 2', 'expected one SELECT, found 2'],
    ['', 'expected one SELECT, found 0'],
    ["SELECT * FROM '/etc/passwd'", 'no table /etc/passwd'],
    ["SELECT * FROM 'events/x.parquet'", 'no table'],
    ["SELECT * FROM read_csv('/etc/passwd')", 'read_csv'],
    ["SELECT * FROM read_text('/etc/passwd')", 'read_text'],
    ["SELECT * FROM glob('/*')", 'glob'],
    ['SELECT * FROM duckdb_settings()', 'duckdb_settings'],
    ['SELECT * FROM information_schema.tables', 'tables have no schema'],
    ['SELECT * FROM pg_catalog.pg_class', 'tables have no schema'],
    ['SELECT * FROM sqlite_master', 'no table sqlite_master'],
    ['SELECT * FROM duckdb_tables', 'no table duckdb_tables'],
    ["SELECT getenv('HOME')", 'getenv'],
    ["SELECT GETENV('HOME')", 'getenv'],
    ["SELECT current_setting('threads')", 'current_setting'],
    ["SELECT * FROM query('select 1')", 'query'],
    ["SELECT * FROM query_table('events')", 'query_table'],
    ['FROM (DESCRIBE events)', 'not allowed'],
    ['SHOW TABLES', ''],
    ['SET threads = 1', 'only a SELECT'],
    ["ATTACH '/tmp/x.db'", 'only a SELECT'],
    ["COPY (SELECT 1) TO '/tmp/x'", 'only a SELECT'],
    ['INSTALL httpfs', 'only a SELECT'],
    ["LOAD 'x'", 'only a SELECT'],
    ['PRAGMA database_list', ''],
    ['CREATE TABLE t AS SELECT 1', 'only a SELECT'],
    ['EXPLAIN SELECT 1', 'only a SELECT'],
    ["SELECT (SELECT x FROM (SELECT * FROM read_json('/etc/hosts')) AS t(x))", 'read_json'],
    ["WITH a AS (SELECT * FROM parquet_metadata('x')) SELECT * FROM a", 'parquet_metadata'],
    ['SELECT $1', 'parameters'],
    ['SELECT nope FROM events', 'nope'],
    ['SELECT FROM WHERE', 'line 1, column'],
  ])('%s', async (sql, message) => {
    await expect(query.run(sql)).rejects.toMatchObject({ message: expect.stringContaining(message) })
  })

  test('no function that DuckDB has opens a file, reads the environment or changes a setting', async () => {
    await using duckdb = await openDuckDb()
    const functions = await rowsOf(
      duckdb.connection,
      "SELECT DISTINCT function_name AS name, function_type AS type FROM duckdb_functions() WHERE function_type IN ('table', 'pragma', 'table_macro') ORDER BY 1",
    )
    const allowed: string[] = []
    for (const name of functions.flatMap((row) => (typeof row['name'] === 'string' ? [row['name']] : []))) {
      const outcome = await query.run(`SELECT * FROM "${name}"('/etc/passwd')`).then(
        () => 'answered',
        (error: unknown) => (error instanceof Error && error.message.includes('not allowed') ? 'refused' : 'reached'),
      )
      if (outcome !== 'refused') allowed.push(name)
    }
    expect(allowed.sort()).toEqual([
      'generate_series',
      'json_each',
      'json_tree',
      'range',
      'repeat',
      'repeat_row',
      'unnest',
    ])
  })

  test('no scalar function reads the environment or the settings', async () => {
    await using duckdb = await openDuckDb()
    const functions = await rowsOf(
      duckdb.connection,
      "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') AND function_name SIMILAR TO '[a-z_0-9]+' ORDER BY 1",
    )
    process.env['HEARTH_CANARY'] = 'canary-value-4711'
    for (const name of functions.flatMap((row) => (typeof row['name'] === 'string' ? [row['name']] : []))) {
      for (const call of [`${name}()`, `${name}('HEARTH_CANARY')`, `${name}('/etc/passwd')`]) {
        const answer = await query.run(`SELECT ${call}`, { max_rows: 1 }).then(
          ({ rows }) => JSON.stringify(rows),
          () => '',
        )
        expect(answer, call).not.toMatch(/canary-value-4711|root:x:/)
      }
    }
  })
})
