import { z } from 'zod'
import { FIRST_EPOCH, type Layout } from '../contract/bucket.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { EVENTS_COLUMNS, EVENTS_PARTITION, EVENTS_STATISTICS, EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Metadata } from './action.ts'
import type { CheckpointCodec } from './checkpoint.ts'
import { openLog } from './log.ts'
import { changeMetadata } from './metadata.ts'
import { missingTable } from './missing-table.ts'
import type { ObjectStore } from './object-store.ts'
import { WRITTEN_PROTOCOL } from './protocol.ts'
import { addToSchema, checkColumns, encodeSchema } from './schema.ts'
import { STATISTICS_COLUMNS_KEY, STATISTICS_COUNT_KEY } from './statistics.ts'
import { openTable, type Table, tableExists } from './table.ts'

export type TableDefinition = {
  /** Columns of the data files, without those of the partition. */
  readonly columns: readonly Column[]
  readonly partition: readonly Column[]
  readonly configuration?: Readonly<Record<string, string>>
  /** Columns by which files are left out of a read; of the first 32 when absent. A table that says otherwise keeps to that. */
  readonly statistics?: readonly string[]
  readonly description?: string
}

export type Lake = {
  readonly id: string
  readonly fleet: string
  readonly region: string
  /** How the fleet is split into buckets, oldest first. */
  readonly layouts: readonly Layout[]
  readonly store: ObjectStore
  /** Raises `missing`, naming the tables that there are. The same name gives the same Table. */
  table(name: string): Promise<Table>
  /** Raises `conflict` when the name is taken. */
  createTable(name: string, definition: TableDefinition): Promise<Table>
  /** The table, made when absent; columns of the definition that it lacks are added. */
  ensureTable(name: string, definition: TableDefinition): Promise<Table>
  /** Names, ascending. */
  tables(): Promise<readonly string[]>
}

export type LakeEnvironment = {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  /** Parquet by DuckDB unless given; the simulator brings a plainer one. */
  readonly checkpoints?: CheckpointCodec
  /** CHECKPOINT_INTERVAL unless given. */
  readonly checkpoint_interval?: number
}

export const LAKE_PATH = '_hearth/lake.json'
const LAKE_VERSION = 1
const LAYOUTS_KEY = 'hearth.layouts'
const STATISTICS_KEYS = [STATISTICS_COLUMNS_KEY, STATISTICS_COUNT_KEY]
const TABLE_NAME = /^[a-z][a-z0-9_]{0,62}$/

const lakeFile = z.object({
  hearth_lake: z.number().int(),
  id: z.string(),
  fleet: z.string(),
  region: z.string(),
  created_ms: z.number().int(),
})
type LakeFile = z.infer<typeof lakeFile>

const layoutsText = z.array(z.object({ epoch: z.number().int().min(1), buckets: z.number().int().min(1) })).min(1)

/**
 * Makes a lake, or finishes and opens one that is there: `lake.json` by put-if-absent, then the events table.
 * Raises `conflict` when the folder holds a lake of another fleet or region.
 */
export async function createLake(
  environment: LakeEnvironment & { readonly fleet: string; readonly region: string; readonly buckets: number },
): Promise<Lake> {
  const { store, clock, random, fleet, region, buckets } = environment
  const wanted = { hearth_lake: LAKE_VERSION, id: uuid(random), fleet, region, created_ms: clock.now() }
  try {
    await store.put(LAKE_PATH, Buffer.from(`${JSON.stringify(wanted)}\n`), { ifAbsent: true })
  } catch (error) {
    if (!isProblem(error, 'conflict') && !(isProblem(error) && error.outcome === 'unknown')) throw error
  }
  refuseOther(await readLakeFile(store), { fleet, region }, store.url)
  const layouts: readonly Layout[] = [{ epoch: FIRST_EPOCH, buckets }]
  const tables = openTables(environment)
  await tables.ensureTable(EVENTS_TABLE, {
    columns: EVENTS_COLUMNS,
    partition: EVENTS_PARTITION,
    configuration: { [LAYOUTS_KEY]: JSON.stringify(layouts) },
    statistics: EVENTS_STATISTICS,
    description: 'everything that hubs and services told, one row an event',
  })
  return await openLake(environment)
}

/**
 * Opens a lake and writes nothing. Raises `missing` when there is none, `invalid` for one of a newer version, `conflict`
 * for one that is not `of` this fleet and region.
 */
export async function openLake(environment: LakeEnvironment, of?: Pick<Lake, 'fleet' | 'region'>): Promise<Lake> {
  const { store } = environment
  const { id, fleet, region } = await readLakeFile(store)
  if (of) refuseOther({ fleet, region }, of, store.url)
  const tables = openTables(environment)
  const events = await tables.table(EVENTS_TABLE)
  const layouts = decodeLayouts((await events.snapshot()).configuration[LAYOUTS_KEY])
  return { id, fleet, region, layouts, store, ...tables }
}

function openTables(environment: LakeEnvironment): Pick<Lake, 'table' | 'createTable' | 'ensureTable' | 'tables'> {
  const { store, clock, random } = environment
  const open = new Map<string, Table>()
  const { checkpoints, checkpoint_interval } = environment
  const tableEnvironment = { store, clock, checkpoints, checkpoint_interval }

  async function table(name: string): Promise<Table> {
    const known = open.get(name)
    if (known) return known
    if (!TABLE_NAME.test(name) || !(await tableExists(store, name))) throw missingTable(name, await tables())
    const opened = open.get(name) ?? openTable(tableEnvironment, name)
    open.set(name, opened)
    return opened
  }

  async function createTable(name: string, definition: TableDefinition): Promise<Table> {
    if (!TABLE_NAME.test(name)) {
      throw new Problem('invalid', `a table's name is lower-case snake_case; found ${JSON.stringify(name)}`)
    }
    checkColumns([...definition.columns, ...definition.partition])
    const now_ms = clock.now()
    const metadata: Metadata = {
      id: uuid(random),
      name,
      ...(definition.description !== undefined && { description: definition.description }),
      format: { provider: 'parquet', options: {} },
      schemaString: encodeSchema([...definition.columns, ...definition.partition]),
      partitionColumns: definition.partition.map((column) => column.name),
      // Nobody but Hearth cleans its logs (lake commit rules rest on it).
      configuration: {
        'delta.enableExpiredLogCleanup': 'false',
        ...statisticsOf(definition),
        ...definition.configuration,
      },
      createdTime: now_ms,
    }
    await openLog(store, name).put({
      version: 0,
      info: {
        timestamp: now_ms,
        operation: 'CREATE TABLE',
        operationParameters: {},
        engineInfo: 'Hearth',
        hearth: { id: uuid(random), kind: 'metadata' },
      },
      adds: [],
      removes: [],
      txns: [],
      metadata,
      protocol: WRITTEN_PROTOCOL,
    })
    return await table(name)
  }

  async function ensureTable(name: string, definition: TableDefinition): Promise<Table> {
    let ensured: Table
    try {
      ensured = await table(name)
    } catch (error) {
      if (!isProblem(error, 'missing')) throw error
      try {
        return await createTable(name, definition)
      } catch (raced) {
        if (!isProblem(raced, 'conflict') && !(isProblem(raced) && raced.outcome === 'unknown')) throw raced
        ensured = await table(name)
      }
    }
    await bringUpToDate(ensured, definition, random)
    return ensured
  }

  /** Leaps from table to table: each first object tells a name, and the listing goes on after all that begins with it. */
  async function tables(): Promise<readonly string[]> {
    const names: string[] = []
    for (let startAfter = ''; ; ) {
      const first = await firstPath(store, startAfter)
      if (first === undefined) return names
      const name = first.slice(0, (first.indexOf('/') + 1 || first.length + 1) - 1)
      if (TABLE_NAME.test(name) && (await tableExists(store, name))) names.push(name)
      // The character after /: past all that is in the folder, whatever its names are.
      startAfter = `${name}0`
    }
  }

  return { table, createTable, ensureTable, tables }
}

async function firstPath(store: ObjectStore, startAfter: string): Promise<string | undefined> {
  for await (const { path } of store.list('', { startAfter })) return path
  return undefined
}

/**
 * Adds the columns that the table lacks, as nullable ones, and which columns have statistics, where it does not say.
 * Raises `conflict` when a column is there with another type.
 */
async function bringUpToDate(table: Table, definition: TableDefinition, random: Random): Promise<void> {
  await changeMetadata(table, random, (base) => {
    const have = new Map(base.columns.map((column) => [column.name, column]))
    const clash = definition.columns.find(({ name, type }) => have.has(name) && have.get(name)?.type !== type)
    if (clash) {
      throw new Problem(
        'conflict',
        `${table.name}.${clash.name} is ${have.get(clash.name)?.type} in the table and ${clash.type} in its definition: a changed meaning needs a new column`,
      )
    }
    const missing = definition.columns.filter(({ name }) => !have.has(name))
    const says = STATISTICS_KEYS.some((key) => base.configuration[key] !== undefined)
    const statistics = says ? {} : statisticsOf(definition)
    if (missing.length === 0 && Object.keys(statistics).length === 0) return undefined
    checkColumns([...base.columns, ...missing])
    const schemaString = addToSchema(base.metadata.schemaString, missing, base.partition)
    const configuration = { ...base.configuration, ...statistics }
    return {
      info: { added: missing.map(({ name }) => name), ...statistics },
      metadata: { ...base.metadata, schemaString, configuration },
    }
  })
}

function statisticsOf({ statistics }: TableDefinition): Readonly<Record<string, string>> {
  return statistics ? { [STATISTICS_COLUMNS_KEY]: statistics.join(',') } : {}
}

function refuseOther(
  found: Pick<Lake, 'fleet' | 'region'>,
  { fleet, region }: Pick<Lake, 'fleet' | 'region'>,
  url: string,
) {
  if (found.fleet === fleet && found.region === region) return
  throw new Problem(
    'conflict',
    `${url} holds the lake of fleet ${found.fleet} in region ${found.region}, not of ${fleet} in ${region}: give this fleet a folder of its own`,
  )
}

async function readLakeFile(store: ObjectStore): Promise<LakeFile> {
  let parsed: LakeFile
  try {
    parsed = lakeFile.parse(JSON.parse(Buffer.from(await store.get(LAKE_PATH)).toString('utf8')))
  } catch (error) {
    if (isProblem(error, 'missing')) {
      throw new Problem('missing', `there is no lake at ${store.url}; hearth up makes one`, { cause: error })
    }
    if (isProblem(error)) throw error
    throw new Problem('corrupt', `${LAKE_PATH} of ${store.url} cannot be read: ${messageOf(error)}`, { cause: error })
  }
  if (parsed.hearth_lake > LAKE_VERSION) {
    throw new Problem(
      'invalid',
      `the lake at ${store.url} has format version ${parsed.hearth_lake}, this Hearth knows up to ${LAKE_VERSION}: use a newer Hearth`,
    )
  }
  return parsed
}

function decodeLayouts(text: string | undefined): readonly Layout[] {
  try {
    return layoutsText.parse(JSON.parse(text ?? ''))
  } catch (error) {
    throw new Problem('corrupt', `the events table's ${LAYOUTS_KEY} is not a list of {epoch, buckets}: ${text}`, {
      cause: error,
    })
  }
}
