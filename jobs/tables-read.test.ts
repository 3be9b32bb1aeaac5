import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DuckDb, openDuckDb } from '../lake/duckdb.ts'
import { catalogue, extended } from './catalogue.ts'
import { HOUR_MS } from './limits.ts'
import { type Metric, parseMetric } from './metric.ts'
import { checkTablesRead } from './tables-read.ts'
import { command, enrolled, openHistory } from './testing/history.ts'
import { LAMP_SELECT, lampHours } from './testing/lamp-hours.ts'

let duck: DuckDb
beforeAll(async () => {
  duck = await openDuckDb({ threads: 1 })
})
afterAll(() => duck[Symbol.asyncDispose]())

const lamp = parseMetric('lamp_hours.sql', lampHours(LAMP_SELECT))
const looked = (other: Partial<Metric>) => checkTablesRead(duck.connection, { ...lamp, ...other })

test('the metrics of Hearth read what their headers say', async () => {
  for (const metric of catalogue()) await checkTablesRead(duck.connection, metric)
})

test.each([
  'SELECT hour FROM hours',
  'SELECT hub_id FROM EVENTS e JOIN hours h ON TRUE',
  'WITH a AS (SELECT 1 AS n FROM events), b AS (SELECT n FROM a) SELECT n FROM b',
  'WITH events AS (SELECT hub_id FROM events) SELECT hub_id FROM events',
  'WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 3) SELECT n FROM a, events',
  'SELECT n FROM range(3) r(n)',
  'SELECT hub_id FROM events;',
])('what is given may be read: %s', async (sql) => {
  await looked({ sql })
})

test.each([
  ['SELECT hub_id FROM hubs', 'hubs'],
  ['SELECT hub_id FROM events WHERE hub_id IN (SELECT hub_id FROM hub_hours)', 'hub_hours'],
  ['SELECT (WITH a AS (SELECT 1 AS n) SELECT n FROM a) FROM a', 'a'],
  ['WITH a AS (SELECT n FROM a) SELECT n FROM a', 'a'],
  ['SELECT hub_id FROM events_day', 'events_day'],
  ['SELECT hub_id FROM main.events', 'main.events'],
  ['SELECT hub_id FROM before', 'before'],
  ['SELECT day FROM days', 'days'],
  ["SELECT * FROM 'a.parquet'", 'a.parquet'],
  ["SELECT * FROM read_csv('a.csv')", 'read_csv(…)'],
])('what is not is refused: %s', async (sql, table) => {
  await expect(looked({ sql })).rejects.toMatchObject({
    kind: 'invalid',
    message: `lamp_hours: its SELECT reads ${table}, which its inputs do not name (events)`,
  })
})

test.each([
  [{ sql: "SELECT 1; COPY (SELECT 1) TO 'made'" }, /its SELECT: expected one SELECT, and no other/],
  [{ sql: 'SELECT 1; SELECT 2' }, /its SELECT: expected one SELECT, found 2/],
  [{ sql: 'SELECT hub_id\nFROM WHERE' }, /its SELECT: syntax error at or near "WHERE"\nLINE 2: FROM WHERE$/],
  [{ only: 'kind = ' }, /its only: syntax error/],
  [{ only: "TRUE); COPY (SELECT 1) TO 'made'; SELECT (1" }, /its only: expected one SELECT, and no other/],
  [{ only: 'hub_id IN (SELECT hub_id FROM hubs)' }, /its only reads hubs, where it has the columns of events alone/],
  [{ checks: [{ name: 'some', condition: '> 0' }] }, /its check "some": syntax error.*\nLINE 2: > 0$/],
  [{ carry: { columns: ['hub_id'], where: 'EXISTS (FROM events)' } }, /its carry reads events/],
])('a part that is more or less than a SELECT of that is refused, and named: %o', async (other, said) => {
  await expect(looked(other)).rejects.toThrow(said)
})

test('a run does not read what another metric left behind', async () => {
  const t0 = Date.UTC(2026, 10, 20, 22)
  const wrong = { ...lamp, inputs: [{ table: 'hubs', reach: 'validity' as const }] }
  const metrics = extended([wrong]).filter(({ name }) => ['hubs', 'sessions', 'lamp_hours'].includes(name))
  await using history = await openHistory(t0 + 2 * HOUR_MS, 1, metrics)
  await history.add([enrolled('demo-01', t0), ...command('demo-01', 'c', t0 + 60_000, [['issued', 0]])])
  await expect(history.jobs.run()).rejects.toThrow('lamp_hours: its SELECT reads events, which its inputs do not name')
  expect(await history.rows('lamp_hours')).toEqual([])
})
