import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { EVENTS_COLUMNS, EVENTS_SORT } from '../contract/events-table.ts'
import { openDuckDb } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake } from './lake.ts'
import { QUERY_ANSWER_MAX_BYTES, QUERY_ROWS_MAX } from './limits.ts'
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
  query = await openQuery({ lake, clock: machineClock, memory_limit: '256MB' })
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
    const days = { first: '2026-11-20', last: '2026-11-21' }
    expect(statistics).toMatchObject({ files: 3, files_total: 3, partitions: 3, days, versions: { events: 3 } })
  })

  test('says the days of what it read, and none where there are none', async () => {
    const daysOf = async (sql: string) => (await query.run(sql)).statistics.days
    const day = '2026-11-21'
    expect(await daysOf(`SELECT * FROM readings WHERE event_date = '${day}'`)).toEqual({ first: day, last: day })
    expect(await daysOf("SELECT * FROM events WHERE event_date = '2026-11-22'")).toBe(null)
    expect(await daysOf('SELECT 1')).toBe(null)
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

  test.each([
    // A WITH of the same name narrows the table; it does not hide it from itself.
    ["WITH events AS (SELECT * FROM events WHERE hub_id = 'hub-1') SELECT count(*) FROM events", '15'],
    ["WITH EVENTS AS (FROM events) SELECT count(*) FROM Events WHERE kind = 'health'", '15'],
    // Columns under other names: the condition is on hub_id.
    ["SELECT count(*) FROM events AS e(kind, hub_id) WHERE kind = 'hub-1'", '15'],
    // A collation under which other texts are equal than those of the statistics.
    ["SELECT count(*) FROM events WHERE hub_id = 'HUB-1' COLLATE NOCASE", '15'],
    // `kind` is of the outer query: the view has no such column.
    [
      "SELECT max((SELECT count(*) FROM readings WHERE kind = 'health')) FROM events WHERE kind = 'health' AND hub_id = 'hub-1'",
      '30',
    ],
  ])('is right where it could be pruned too far: %s', async (sql, answer) => {
    expect((await query.run(sql)).rows).toEqual([[answer]])
  })

  test('cuts a long answer and says so', async () => {
    const { rows, truncated } = await query.run('SELECT * FROM range(100)', { max_rows: 7 })
    expect([rows.length, truncated]).toEqual([7, true])
  })

  test('of more rows than an answer may have is cut, and makes no more of them', async () => {
    const { rows, truncated } = await query.run('SELECT * FROM range(100000000000)')
    expect([rows.length, truncated]).toEqual([QUERY_ROWS_MAX, true])
  })

  test('of more bytes than an answer may have is cut', async () => {
    const { rows, truncated } = await query.run(`SELECT repeat('${'x'.repeat(1000)}', 10) FROM range(1000000)`)
    expect(truncated).toBe(true)
    expect(Math.abs(rows.length * 10_000 - QUERY_ANSWER_MAX_BYTES)).toBeLessThan(1_000_000)
  })

  test('that needs more memory than it may have ends with that, spills nothing, and the next one is answered', async () => {
    await expect(
      query.run('SELECT count(*) FROM (SELECT DISTINCT range FROM range(1000000000))'),
    ).rejects.toMatchObject({
      kind: 'limit',
      message: expect.stringContaining('more memory'),
    })
    expect((await query.run('SELECT 1')).rows).toEqual([[1]])
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
})
