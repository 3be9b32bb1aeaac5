import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import type { Identity } from '../contract/source.ts'
import { compact } from '../lake/compact.ts'
import { openFileJoiner } from '../lake/file-joiner.ts'
import { promote } from '../lake/promote.ts'
import type { PromotedColumn } from '../lake/promoted.ts'
import { openQuery, type Query } from '../lake/query.ts'
import { removeRows } from '../lake/removal.ts'
import { openRowRemover } from '../lake/row-remover.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const BATTERY: PromotedColumn = { name: 'battery_v', type: 'double', unit: 'V', meaning: 'voltage of the battery' }
const NOTE: PromotedColumn = { name: 'note', type: 'string', meaning: 'a note' }

let folder: string
let system: System
let query: Query
let next: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-promoted-'))
  system = await openSystem(folder)
  query = await openQuery({ lake: system.lake, clock })
  next = 0
})
afterEach(async () => {
  await query[Symbol.asyncDispose]()
  await system.close()
  await rm(folder, { recursive: true })
})

async function send(...events: readonly (object | string)[]): Promise<void> {
  const bytes = packed(batchOf(events, { first: next }))
  next += events.length
  expect(await system.gateway.receive(hub, bytes, 'https')).toEqual({ kind: 'durable' })
}
const withFields = (...all: readonly object[]) => send(...all.map((more, i) => reading(i, i, more)))
const ask = async (sql: string) => (await query.run(sql)).rows
const batteries = () => ask('SELECT seq, battery_v FROM readings ORDER BY seq')
const stored = () =>
  system.rows("SELECT seq, battery_v, extra['battery_v'] AS left FROM events WHERE kind = 'reading' ORDER BY seq")
const statistics = async () =>
  [...(await system.table.snapshot()).files.values()].flatMap(({ stats }) => decodeStatistics(stats) ?? [])
const compactNow = () => {
  const common = { store: system.store, table: system.table, clock, random }
  const openJoiner = () => openFileJoiner({ ...common, scratch_folder: join(folder, 'compact') })
  return compact({ ...common, openJoiner, closed_after_ms: 0, join_after_ms: 0 })
}

describe('a field that is promoted', () => {
  test('is a column of every row, those from before too, in views and in conditions', async () => {
    await withFields({ battery_v: 3.1 }, { battery_v: 2.7 })
    await system.writer.commitOnce()
    expect(await promote(system.table, BATTERY, random)).toBe(true)
    await withFields({ battery_v: 2.9 }, {})
    await system.writer.commitOnce()
    expect(await batteries()).toEqual([
      ['0', 3.1],
      ['1', 2.7],
      ['2', 2.9],
      ['3', null],
    ])
    expect(await ask('SELECT count(*) FROM events WHERE battery_v < 3')).toEqual([['2']])
    expect(await ask("SELECT count(*) FROM events WHERE extra['battery_v'] IS NOT NULL")).toEqual([['3']])
    expect(await stored()).toMatchObject([
      { battery_v: null, left: '3.1' },
      { battery_v: null, left: '2.7' },
      { battery_v: 2.9, left: null },
      { battery_v: null, left: null },
    ])
    const described = (await query.schema()).find(({ name }) => name === 'readings')
    expect(described?.columns.at(-1)).toEqual(BATTERY)
    const { rows } = await query.run('SELECT * FROM events', { at: { versions: { events: 1 } } })
    expect(rows).toHaveLength(3)
  })

  test('is found as before by what reads it from extra: the view health', async () => {
    const health = (rssi_dbm: unknown) => ({ m: 1, kind: 'health', uptime_ms: 1, queue: 0, rssi_dbm })
    await send(health(-61))
    await system.writer.commitOnce()
    await promote(system.table, { name: 'rssi_dbm', type: 'long', meaning: 'signal' }, random)
    await send(health(-62), health(-62.5))
    await system.writer.commitOnce()
    expect(await ask('SELECT rssi_dbm FROM health ORDER BY seq')).toEqual([[-61], [-62], [-62.5]])
    expect(await ask("SELECT rssi_dbm FROM events WHERE kind = 'health' ORDER BY seq")).toEqual([
      ['-61'],
      ['-62'],
      [null],
    ])
  })

  test('comes while an attempt is on its way: it is built once more, and nothing is there twice', async () => {
    let promoted = false
    const writer = await system.openOne(async () => {
      if (!promoted) promoted = await promote(system.table, BATTERY, random)
    })
    await withFields({ battery_v: 3.1 })
    await writer.commitOnce()
    await writer.commitOnce()
    expect(system.facts).toContainEqual(expect.objectContaining({ kind: 'retry', cause: 'conflict' }))
    expect(await stored()).toMatchObject([{ battery_v: 3.1, left: null }])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 1 } })
  })

  test('is filled in by compaction, which changes no row that is read', async () => {
    await withFields({ battery_v: 3.1, b: 'x' }, { battery_v: '3.10', c: null })
    await system.writer.commitOnce()
    await promote(system.table, BATTERY, random)
    await withFields({ battery_v: 2.9, a: 1 })
    await system.writer.commitOnce()
    const all = 'SELECT * REPLACE (list_sort(map_entries(extra)) AS extra) FROM events ORDER BY ALL'
    const before = await ask(all)
    expect(await compactNow()).toMatchObject({ joined: 2, lost: 0 })
    expect(await ask(all)).toEqual(before)
    expect(await stored()).toMatchObject([
      { battery_v: 3.1, left: null },
      { battery_v: 3.1, left: '3.10' },
      { battery_v: 2.9, left: null },
    ])
  })

  test('is stored in its column alone by a removal, which keeps the statistics that the table has', async () => {
    await withFields({ battery_v: 3.1 }, { battery_v: '3.10', a: 1 }, { battery_v: 2.9, b: 'x' })
    await system.writer.commitOnce()
    await promote(system.table, BATTERY, random)
    const told = (await statistics())[0]
    const common = { store: system.store, table: system.table, clock, random }
    const scratch_folder = join(folder, 'removal')
    const openRemover = () =>
      openRowRemover({ ...common, scratch_folder, where: "extra['b'] = 'x'", told: async () => ({}) })
    const removal = await removeRows({ ...common, kind: 'retain', may: () => true, openRemover })
    expect(removal).toMatchObject({ files: 1, rows: 1 })
    expect(await stored()).toMatchObject([
      { battery_v: 3.1, left: null },
      { battery_v: 3.1, left: '3.10' },
    ])
    expect((await statistics()).map(({ nullCount }) => Object.keys(nullCount))).toEqual([
      Object.keys(told?.nullCount ?? {}),
    ])
    expect(await ask("SELECT seq, extra['battery_v'] FROM events WHERE kind = 'reading' ORDER BY seq")).toEqual([
      ['0', '3.1'],
      ['1', '3.10'],
    ])
  })

  test('may change its type in the middle of a stream, and makes no more files for it', async () => {
    await promote(system.table, BATTERY, random)
    const values = [3.1, '3.1', 'low', { v: 3 }, [3], null, true, 3, 1e300, '1e400']
    await withFields(...values.map((battery_v) => ({ battery_v })))
    await system.writer.commitOnce()
    expect((await batteries()).map(([, value]) => value)).toEqual([
      3.1,
      3.1,
      null,
      null,
      null,
      null,
      null,
      3,
      1e300,
      null,
    ])
    expect((await stored()).map(({ left }) => left)).toEqual([
      ...[null, null, 'low', '{"v":3}', '[3]', null, 'true', null, '1e+300', '1e400'],
    ])
    const files = [...(await system.table.snapshot()).files.values()]
    const partitions = new Set(files.map(({ partitionValues }) => JSON.stringify(partitionValues)))
    expect(partitions.size).toBe(files.length)
  })

  test('with what other fields there are: column and extra give back what was sent', async () => {
    const names = fc.oneof(
      fc.constantFrom(
        'battery_v',
        'note',
        'Battery_V',
        'Ünïcode',
        'a.b',
        '',
        'n'.repeat(1000),
        'Kind',
        'VALUE',
        "it's",
      ),
      fc.constantFrom('batch', 'ordinal', 'line', 'keys', 'bucket', 'extra', 'seq', 'hub_id', 'event_time', '$.x', '*'),
      fc.integer({ min: 0, max: 63 }).map((i) => `field_${i}`),
    )
    const values = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => !text.includes('\0')),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      ...[fc.boolean(), fc.constant({ a: [1, null] }), fc.constant('2.50'), fc.constant(2 ** 60)],
    )
    const events = fc.array(fc.dictionary(names, values, { noNullPrototype: true, maxKeys: 70 }), {
      minLength: 1,
      maxLength: 6,
    })
    const sent: Readonly<Record<string, unknown>>[] = []
    const sendSome = async () => {
      for (const some of fc.sample(events, { numRuns: 8, seed: next })) {
        sent.push(...some)
        await withFields(...some)
      }
      expect(await system.writer.commitOnce()).toBe(true)
    }
    await sendSome()
    await promote(system.table, BATTERY, random)
    await sendSome()
    await promote(system.table, NOTE, random)
    await sendSome()
    const found = await ask("SELECT extra, battery_v, note FROM events WHERE kind = 'reading' ORDER BY seq")
    expect(found).toHaveLength(sent.length)
    found.forEach(([extra, battery_v, note], i) => {
      const had = sent[i] ?? {}
      const entries = Array.isArray(extra) ? extra : []
      const read = Object.fromEntries(entries.map((entry) => [String(Object(entry).key), Object(entry).value]))
      const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
      expect(Object.keys(read).sort()).toEqual(Object.keys(had).sort())
      for (const [name, value] of Object.entries(had)) {
        // A number's text is that of DuckDB, and names the same number.
        if (typeof value === 'number') expect(Number(read[name])).toBe(value)
        else expect(read[name]).toBe(text(value))
      }
      if (typeof had['battery_v'] === 'number') expect(battery_v).toBe(had['battery_v'])
      expect(note).toBe(read['note'] ?? null)
    })
    expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: sent.length, dead: 0 } })
  })

  test.each([
    [{ name: 'device' }, /has a column already/],
    [{ name: 'deadline_ms' }, /one of Hearth's own, and is read as extra\['deadline_ms'\]/],
    [{ name: 'event_date' }, /events has a column event_date/],
    [{ name: 'duration_ms' }, /events has a column duration_ms \(double/],
    [{ name: 'a.b' }, /lower-case snake_case names; found "a\.b"/],
    [{ name: 'Battery' }, /lower-case snake_case/],
    [{ name: '' }, /lower-case snake_case/],
    [{ type: 'string' as const }, /was promoted as double, and a column keeps its type/],
  ])('is refused as %j', async (change, why) => {
    expect(await promote(system.table, BATTERY, random)).toBe(true)
    expect(await promote(system.table, BATTERY, random)).toBe(false)
    await expect(promote(system.table, { ...BATTERY, ...change }, random)).rejects.toThrow(why)
  })
})
