import { join } from 'node:path'
import { type Clock, type Random, uuid } from '../../contract/clock.ts'
import { removeOf } from '../action.ts'
import { openDuckDb, rowsOf } from '../duckdb.ts'
import { openLake } from '../lake.ts'
import { openLocalFiles } from '../local-files.ts'
import type { ObjectStore } from '../object-store.ts'
import { scanSql } from '../scan.ts'
import { identifier } from '../schema.ts'
import { writeFile } from '../write.ts'

/**
 * Damages a table as only a bug could: in one real commit a data file is replaced by one in which the first row for
 * which `where` holds is missing, or is there twice. Everything else in the lake goes on saying what it said.
 */
export async function damageOneRow(options: {
  readonly store: ObjectStore
  readonly table: string
  readonly where: string
  readonly damage: 'missing' | 'twice'
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
}): Promise<void> {
  const { store, table: name, where, damage, clock, random, scratch_folder } = options
  const table = await (await openLake({ store, clock, random })).table(name)
  const base = await table.snapshot()
  const cache = { folder: join(options.scratch_folder, 'cache'), max_bytes: 1e9 }
  await using local = await openLocalFiles(store, { cache, clock })
  await using database = await openDuckDb({ threads: 1 })
  const { connection } = database
  const columns = base.columns.filter((column) => !base.partition.includes(column.name))
  for (const add of base.files.values()) {
    await using held = await local.hold(table.prefix, [add])
    await connection.run(`CREATE OR REPLACE TEMP TABLE victim AS ${scanSql(base, held.files)}`)
    const [hit] = await rowsOf(connection, `SELECT min(rowid) AS row FROM victim WHERE ${where}`)
    if (hit?.['row'] === null || hit?.['row'] === undefined) continue
    const row = Number(hit['row'])
    const list = columns.map((column) => identifier(column.name)).join(', ')
    const all = `SELECT ${list} FROM victim`
    const { rows: _, ...written } = await writeFile({
      ...{ connection, store, prefix: table.prefix, columns, partitionValues: add.partitionValues, sort: [] },
      select: damage === 'missing' ? `${all} WHERE rowid <> ${row}` : `${all} UNION ALL ${all} WHERE rowid = ${row}`,
      ...{ random, clock, scratch_folder },
    })
    const outcome = await table.commit({
      ...{ id: uuid(random), kind: 'compact', base, adds: [written], removes: [removeOf(add)], txns: [], info: {} },
    })
    if (outcome.kind !== 'committed') throw new Error(`the damage was not committed: ${JSON.stringify(outcome)}`)
    return
  }
  throw new Error(`no row of ${name} with ${where}`)
}
