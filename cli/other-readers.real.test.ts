/** Every table of a lake that the whole system wrote, as delta-rs reads it and as Hearth does. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readWithDeltaRs } from '../infra/delta-rs/python.ts'
import { openSystem, type System, until } from './testing/system.ts'

const listed = z.array(z.object({ table: z.string(), version: z.number(), files: z.number(), rows: z.number() }))
const described = z.array(z.object({ column: z.string(), type: z.string() }))

/** How pyarrow calls what DuckDB calls so. */
const ARROW: Readonly<Record<string, string>> = {
  VARCHAR: 'string',
  BIGINT: 'int64',
  INTEGER: 'int32',
  DOUBLE: 'double',
  BOOLEAN: 'bool',
  DATE: 'date32[day]',
  TIMESTAMPTZ: 'timestamp[us, tz=UTC]',
  'MAP(VARCHAR, VARCHAR)': 'map<string, string>',
}

const KINDS = 'SELECT kind, CAST(count(*) AS INTEGER) AS n FROM'
const answered = z.object({
  rows: z.array(z.object({ kind: z.string(), n: z.number() })),
  statistics: z.object({ versions: z.object({ events: z.number() }) }),
})

let system: System
const asked: z.infer<typeof answered>[] = []

beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  // More commits than a checkpoint is apart, so that both readers begin at one.
  const up = system.start(['up', '--demo', '--hubs', '12', '--days', '2'])
  await up.untilSaid(/Hearth is ready/, 90_000)
  await until('the events table has a checkpoint', 120_000, () =>
    existsSync(join(system.home, 'lake/events/_delta_log/_last_checkpoint')),
  )
  await until('answers of several versions', 60_000, async () => {
    const answer = await system.must(['sql', '--json', `${KINDS} events GROUP BY kind ORDER BY kind`])
    asked.push(answered.parse(JSON.parse(answer)))
    return new Set(asked.map(({ statistics }) => statistics.versions.events)).size > 2
  })
  up.signal('SIGINT')
  expect(await up.ended).toEqual({ code: 0, signal: null })
  await system.must(['jobs', 'run'])
})

afterAll(() => system[Symbol.asyncDispose]())

describe('delta-rs and Hearth agree', () => {
  test('on what was asked while ingest ran: each answer is the table at one version', async () => {
    for (const { rows, statistics } of asked) {
      const folder = join(system.home, 'lake/events')
      const theirs = await readWithDeltaRs(folder, `${KINDS} t GROUP BY kind ORDER BY kind`, statistics.versions.events)
      expect(theirs.rows).toEqual(rows)
    }
  })

  test('on every table: version, files, rows, columns and what is in them', async () => {
    const tables = listed.parse(JSON.parse(await system.must(['lake', 'tables', '--json'])))
    expect(tables.map(({ table }) => table)).toEqual(
      expect.arrayContaining([
        'command_traces',
        'events',
        'fleet_hours',
        'hub_hours',
        'hubs',
        'job_runs',
        'latency_hours',
      ]),
    )
    for (const { table, version, files, rows } of tables) {
      const columns = described.parse(JSON.parse(await system.must(['lake', 'describe', table, '--json'])))
      const summary = columns.map(({ column, type }, i) => summaryOf(column, type, i)).join(', ')
      const [ours] = z
        .object({ rows: z.array(z.record(z.string(), z.unknown())) })
        .parse(JSON.parse(await system.must(['sql', '--json', `SELECT ${summary} FROM ${table}`]))).rows
      const theirs = await readWithDeltaRs(join(system.home, 'lake', table), `SELECT ${summary} FROM t`)
      expect({ version: theirs.version, files: theirs.files, rows: theirs.count }, table).toEqual({
        version,
        files,
        rows,
      })
      expect(theirs.schema, table).toEqual(
        Object.fromEntries(columns.map(({ column, type }) => [column, ARROW[type] ?? type])),
      )
      expect(Object.keys(theirs.rows[0] ?? {}), table).toEqual(Object.keys(ours ?? { none: 0 }))
      for (const [name, value] of Object.entries(theirs.rows[0] ?? {})) {
        if (typeof value === 'number') expectClose(Number(ours?.[name]), value, `${table} ${name}`)
        else expect(ours?.[name] ?? null, `${table} ${name}`).toBe(value)
      }
    }
  })
})

/** Expects `ours` to be `theirs`, to the error of a sum of doubles that is taken in another order. */
function expectClose(ours: number, theirs: number, what: string): void {
  expect(Math.abs(ours - theirs), `${what}: ${ours} of Hearth, ${theirs} of delta-rs`).toBeLessThanOrEqual(
    1e-9 * Math.max(1, Math.abs(theirs)),
  )
}

/** SQL that both engines read the same way: how many values there are, how many different ones, and their sum. */
function summaryOf(column: string, type: string, index: number): string {
  if (type.startsWith('MAP')) return `count("${column}") AS n${index}`
  const sum = /BIGINT|INTEGER|DOUBLE/.test(type)
    ? `, sum(CAST("${column}" AS DOUBLE)) AS sum${index}`
    : type === 'VARCHAR'
      ? `, CAST(sum(length("${column}")) AS BIGINT) AS sum${index}, min("${column}") AS min${index}, max("${column}") AS max${index}`
      : ''
  return `count("${column}") AS n${index}, count(DISTINCT "${column}") AS different${index}${sum}`
}
