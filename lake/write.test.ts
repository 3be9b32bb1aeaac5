import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import type { OwnType } from '../contract/column.ts'
import { type DuckDb, openDuckDb } from './duckdb.ts'
import { openMemoryStore } from './memory-store.ts'
import { writeFile } from './write.ts'

let scratch_folder: string
let duckdb: DuckDb
beforeAll(async () => {
  scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-write-'))
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(scratch_folder, { recursive: true })
})

async function boundsOf(type: OwnType, values: readonly string[]) {
  const { stats } = await writeFile({
    ...{ connection: duckdb.connection, store: openMemoryStore({ clock }), prefix: 't', scratch_folder, clock, random },
    ...{ columns: [{ name: 'c', type, meaning: '' }], partitionValues: {}, sort: [] },
    select: `SELECT c FROM (VALUES ${values.map((value) => `(${value})`).join(', ')}, (NULL)) AS t(c)`,
  })
  const { minValues, maxValues, nullCount } = JSON.parse(stats ?? '')
  expect(nullCount).toEqual({ c: 1 })
  return [minValues.c, maxValues.c]
}

test.each<[OwnType, readonly string[], readonly unknown[]]>([
  ['string', ["'b'", "'a b'", "''"], ['', 'b']],
  ['boolean', ['true', 'false'], [false, true]],
  ['integer', ['-3', '2147483647'], [-3, 2_147_483_647]],
  ['long', ['-9007199254740991', '9007199254740991'], [-9_007_199_254_740_991, 9_007_199_254_740_991]],
  ['double', ['1e-7', '-2.5'], [-2.5, 1e-7]],
  ['date', ["'1969-12-31'", "'9999-12-31'"], ['1969-12-31', '9999-12-31']],
  [
    'timestamp',
    ["'1969-12-31 23:59:59.9981'", "'2026-11-24 01:00:00.5+01'"],
    ['1969-12-31T23:59:59.998Z', '2026-11-24T00:00:00.500Z'],
  ],
  [
    'timestamp',
    ["'0044-03-15'", "'9999-12-31 23:59:59.998001'"],
    ['0044-03-15T00:00:00.000Z', '9999-12-31T23:59:59.999Z'],
  ],
])('DuckDB tells the bounds of a %s in its own text, which is read: %j', async (type, values, bounds) => {
  expect(await boundsOf(type, values)).toEqual(bounds)
})

test.each<[OwnType, readonly string[]]>([
  ['long', ['1', '9007199254740993']],
  ['double', ['1', "'Infinity'::DOUBLE"]],
  ['double', ['1', "'NaN'::DOUBLE"]],
  ['date', ["'2026-11-24'", "'infinity'"]],
  ['date', ["'2026-11-24'", "'0044-03-15 (BC)'"]],
  ['timestamp', ["'2026-11-24'", "'-infinity'"]],
  ['timestamp', ["'2026-11-24'", "'0044-03-15 (BC) 00:00:00'"]],
  ['timestamp', ["'2026-11-24'", "'12345-01-01'"]],
  ['timestamp', ["'2026-11-24'", "'9999-12-31 23:59:59.999001'"]],
])('a %s among %j bounds nothing', async (type, values) => {
  expect(await boundsOf(type, values)).toEqual([undefined, undefined])
})
