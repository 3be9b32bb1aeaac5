import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { machineClock, machineRandom } from '../../cli/machine.ts'
import type { Column } from '../../contract/column.ts'
import type { AddFile } from '../action.ts'
import type { CommitOutcome, CommitRequest } from '../commit.ts'
import { type DuckDb, openDuckDb } from '../duckdb.ts'
import { openFolderStore } from '../folder-store.ts'
import { createLake, type Lake } from '../lake.ts'
import { writeFile } from '../write.ts'

/** A table of every type that a lake has, in a folder of its own, for tests that let other engines at it. */

export const TYPED_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'long', meaning: 'a number of the row' },
  { name: 'hub_id', type: 'string', meaning: 'a text' },
  { name: 'big', type: 'long', meaning: 'a whole number' },
  { name: 'small', type: 'integer', meaning: 'a small number' },
  { name: 'value', type: 'double', unit: 'ms', meaning: 'a measure' },
  { name: 'powered', type: 'boolean', meaning: 'yes or no' },
  { name: 'event_time', type: 'timestamp', meaning: 'when' },
  { name: 'seen', type: 'date', meaning: 'a date' },
  { name: 'extra', type: 'map', meaning: 'more' },
]
export const TYPED_PARTITION: readonly Column[] = [
  { name: 'event_date', type: 'date', meaning: 'UTC day' },
  { name: 'bucket', type: 'integer', meaning: 'bucket' },
]

export type TypedLake = {
  readonly folder: string
  readonly lake: Lake
  readonly duckdb: DuckDb
  /** Writes a data file of `table`; columns that the SELECT does not have are NULL. */
  write(
    table: string,
    select: string,
    partitionValues: Readonly<Record<string, string | null>>,
    columns?: readonly Column[],
  ): Promise<AddFile>
  commit(table: string, request: Partial<CommitRequest>): Promise<CommitOutcome>
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes a lake in a folder of its own, which goes with it. */
export async function openTypedLake(): Promise<TypedLake> {
  const scratch = await mkdtemp(join(tmpdir(), 'hearth-engines-'))
  const folder = join(scratch, 'lake')
  const duckdb = await openDuckDb({ threads: 1 })
  const environment = { store: openFolderStore(folder), clock: machineClock, random: machineRandom }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 4 })
  let commits = 0
  return {
    folder,
    lake,
    duckdb,
    async write(table, select, partitionValues, columns = TYPED_COLUMNS) {
      const nulls = columns.map(({ name }) => `NULL AS ${name}`).join(', ')
      const { rows: _, ...add } = await writeFile({
        ...{ connection: duckdb.connection, store: lake.store, prefix: table, columns, partitionValues },
        select: `FROM (SELECT ${nulls}) WHERE false UNION ALL BY NAME (${select})`,
        ...{ sort: [], random: machineRandom, clock: machineClock, scratch_folder: join(scratch, 'spool') },
      })
      return add
    },
    async commit(name, request) {
      const table = await lake.table(name)
      const base = request.base ?? (await table.snapshot())
      const usual = { id: `c${commits++}`, kind: 'ingest' as const, base, adds: [], removes: [], txns: [], info: {} }
      return await table.commit({ ...usual, ...request })
    },
    async [Symbol.asyncDispose]() {
      await duckdb[Symbol.asyncDispose]()
      await rm(scratch, { recursive: true })
    },
  }
}
