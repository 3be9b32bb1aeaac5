import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DuckDb, openDuckDb } from '../lake/duckdb.ts'
import { catalogue } from './catalogue.ts'
import { columnsRead } from './columns-read.ts'
import type { Metric } from './metric.ts'

let duck: DuckDb
beforeAll(async () => {
  duck = await openDuckDb({ threads: 1 })
})
afterAll(() => duck[Symbol.asyncDispose]())

const metric = catalogue().find(({ name }) => name === 'latency_hours') as Metric
const readsValue = async (sql: string) =>
  (await columnsRead(duck.connection, { ...metric, sql, only: 'TRUE' }))('events', 'value')

test.each([
  'SELECT hour, hub_id FROM events',
  'SELECT COUNT(*) FROM events',
  'WITH a AS (SELECT hub_id FROM events) SELECT * FROM a',
  'SELECT h.* FROM events e JOIN (SELECT hour FROM hours) h ON TRUE WHERE e.hub_id IS NULL AND FALSE'.replace(
    'h.*',
    'h.hour',
  ),
])('a column that is not named is not read: %s', async (sql) => {
  expect(await readsValue(sql)).toBe(false)
})

test.each([
  'SELECT value FROM events',
  'SELECT VALUE FROM events',
  'SELECT "value" FROM events',
  'SELECT * FROM EVENTS',
  'SELECT DISTINCT e.* FROM events e',
  'SELECT hour FROM hours JOIN (SELECT * FROM events) e USING (hour)',
  'SELECT COUNT(DISTINCT e) FROM events e',
  'SELECT COUNT(DISTINCT events) FROM events',
  'SELECT MAX(COLUMNS(*)) FROM events',
  'SELECT struct_pack(e.*) FROM events e',
  'SELECT hub_id FROM events a NATURAL JOIN events b',
  'SELECT hour FROM hours WHERE EXISTS (SELECT * FROM events)',
  'PIVOT events ON kind USING count(hub_id)',
])('one that may be read is: %s', async (sql) => {
  expect(await readsValue(sql)).toBe(true)
})
