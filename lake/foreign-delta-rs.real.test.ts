/** Tables that delta-rs made, in the folder of a lake, as Hearth has them. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runWithDeltaRs } from '../infra/delta-rs/python.ts'
import { removeOf } from './action.ts'
import { deltaRsEngine, hearthEngine } from './testing/engines.ts'
import { openTypedLake, type TypedLake } from './testing/typed-table.ts'

let typed: TypedLake

beforeAll(async () => {
  typed = await openTypedLake()
})

afterAll(() => typed?.[Symbol.asyncDispose]())

const path = (table: string) => join(typed.folder, table)

/** The rows of a question, on which both must agree; delta-rs is asked first, in its words where they differ. */
async function agreed(table: string, question: string, theirs = question) {
  const [rows] = await deltaRsEngine(path(table)).ask([theirs])
  const [ours] = await hearthEngine(typed.folder, table).ask([question])
  expect(ours, question).toEqual(rows)
  return ours ?? []
}

test('every type, in partitions with names that have to be escaped', async () => {
  await runWithDeltaRs(
    path('parts'),
    `
import datetime as d
from decimal import Decimal
regions = ["a b", "ü/ä", "50%", "50%25", "a=b", "#?&+", "x:y", "{}[]", "ends ", "\u{1f525}", None]
n = len(regions)
write_deltalake(folder, pa.table({
    "id": pa.array(range(n), pa.int64()),
    "region": pa.array(regions, pa.string()),
    "day": pa.array([d.date(2026, 11, 20 + i) if i < 10 else None for i in range(n)], pa.date32()),
    "at_hour": pa.array([d.datetime(2026, 11, 24, i, 30, 0, 500000, d.timezone.utc) for i in range(n)], pa.timestamp("us", "UTC")),
    "powered": pa.array([i % 2 == 0 for i in range(n)]),
    "small": pa.array(range(n), pa.int16()),
    "f": pa.array([i / 2 for i in range(n)], pa.float32()),
    "x": pa.array([float("nan") if i == 3 else i / 10 for i in range(n)], pa.float64()),
    "d": pa.array([Decimal(i) / 4 for i in range(n)], pa.decimal128(10, 2)),
    "bin": pa.array([bytes([i, 255]) for i in range(n)], pa.binary()),
    "seen": pa.array([d.datetime(2026, 11, 24, 12, 0, 0, i, d.timezone.utc) for i in range(n)], pa.timestamp("us", "UTC")),
}), partition_by=["region", "day", "at_hour", "powered"])`,
  )
  expect(await agreed('parts', 'SELECT * FROM t ORDER BY id')).toHaveLength(11)
  for (const condition of [
    ...['a b', 'ü/ä', '50%', '50%25', 'a=b', 'x:y', '\u{1f525}'].map((region) => `region = '${region}'`),
    ...['region IS NULL', "day >= DATE '2026-11-23'", 'powered', 'NOT powered', 'x > 0.5', 'x <= 0.1', 'd = 0.5'],
  ]) {
    await agreed('parts', `SELECT id FROM t WHERE ${condition} ORDER BY id`)
  }
  for (const [column, time] of [
    ['at_hour', '2026-11-24 05:30:00.500000'],
    ['seen', '2026-11-24 12:00:00.000004'],
  ] as const) {
    for (const comparison of ['=', '<', '<=', '>', '>=']) {
      const [ours, theirs] = [hearthEngine(typed.folder, 'parts'), deltaRsEngine(path('parts'))].map(
        (engine) => `SELECT id FROM t WHERE ${column} ${comparison} ${engine.dialect('timestamp', time)} ORDER BY id`,
      )
      expect(await agreed('parts', ours ?? '', theirs)).not.toEqual([])
    }
  }
})

test('what was deleted, merged and widened by new columns, from its checkpoint alone, and Hearth goes on', async () => {
  await runWithDeltaRs(
    path('changed'),
    `
write_deltalake(folder, pa.table({"id": pa.array(range(100), pa.int64()), "note": ["n"] * 100}))
write_deltalake(folder, pa.table({"id": pa.array([100], pa.int64()), "note": ["m"], "room": ["hall"]}), mode="append", schema_mode="merge")
table = DeltaTable(folder)
table.delete("id = 7")
table.update(predicate="id = 8", updates={"room": "'kitchen'"})
table.create_checkpoint()`,
  )
  const log = join(path('changed'), '_delta_log')
  expect(await readdir(log)).toContain('_last_checkpoint')
  const before = await agreed('changed', 'SELECT * FROM t ORDER BY id')
  expect(before).toHaveLength(100)
  for (const version of [0, 1, 2]) await rm(join(log, `0000000000000000000${version}.json`))
  expect(await agreed('changed', 'SELECT * FROM t ORDER BY id')).toEqual(before)

  const columns = [{ name: 'id', type: 'long', meaning: '' } as const]
  const { files } = await (await typed.lake.table('changed')).snapshot()
  const [first] = files.values()
  if (!first) throw new Error('a file is there')
  await typed.commit('changed', {
    ...{ kind: 'replace', adds: [await typed.write('changed', 'SELECT 500 AS id', {}, columns)] },
    removes: [removeOf(first)],
  })
  expect((await agreed('changed', 'SELECT * FROM t ORDER BY id')).length).toBeLessThan(before.length)
})
