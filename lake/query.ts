import type { DuckDBConnection, DuckDBResult, Json } from '@duckdb/node-api'
import type { Clock } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { Problem } from '../contract/problem.ts'
import { VIEWS, type View } from '../contract/views.ts'
import { boundsOf } from './constant.ts'
import { damageIn } from './damage.ts'
import { openDuckDb } from './duckdb.ts'
import type { FileCacheOptions } from './file-cache.ts'
import type { Lake } from './lake.ts'
import { QUERY_ANSWER_MAX_BYTES, QUERY_MEMORY_LIMIT, QUERY_ROWS_MAX } from './limits.ts'
import { type HeldTable, openLocalFiles } from './local-files.ts'
import { missingTable } from './missing-table.ts'
import { type Condition, columnOf, conditionsOf } from './predicate.ts'
import { promotedOf, viewSql } from './promoted.ts'
import { prune } from './prune.ts'
import { queryFault } from './query-fault.ts'
import { scanSql } from './scan.ts'
import { identifier } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import { checkStatement, isNode, type Statement, type SyntaxNode } from './statement.ts'
import type { SnapshotAt } from './table.ts'

/** What a query answered, and what it cost. */
export type QueryResult = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Values as JSON: whole numbers past 32 bits and decimals as text. */
  readonly rows: readonly (readonly Json[])[]
  /** There were more rows than `max_rows`, or than fit QUERY_ANSWER_MAX_BYTES. */
  readonly truncated: boolean
  readonly statistics: {
    readonly ms: number
    /** Data files that could match, of `files_total` in the versions that were read. */
    readonly files: number
    readonly files_total: number
    /** Size of those files; DuckDB reads of them only the columns that are asked for. */
    readonly bytes: number
    /** Bytes of them that had to be fetched to this machine, and files that were in its cache: of a lake in S3. */
    readonly fetched_bytes: number
    readonly cached_files: number
    /** Partitions that they are of. */
    readonly partitions: number
    /** First and last date of these partitions: `2026-11-24`; null where no table is kept by date. */
    readonly days: { readonly first: string; readonly last: string } | null
    /** The version of each table that was read. */
    readonly versions: Readonly<Record<string, number>>
  }
}

export type QueryOptions = {
  /** Versions other than the newest: of all tables by time, or of single tables by name. */
  readonly at?: { readonly time_ms?: number; readonly versions?: Readonly<Record<string, number>> }
  readonly signal?: AbortSignal
  /** Rows of the answer. Default and limit: QUERY_ROWS_MAX. */
  readonly max_rows?: number
}

export type TableDescription = {
  readonly name: string
  readonly kind: 'table' | 'view'
  readonly meaning: string
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly unit?: string
    readonly meaning?: string
  }[]
}

export type Query = {
  /**
   * Answers one SELECT over the newest versions of the tables that it names, or those asked for; they are pinned for
   * the whole query. Raises `invalid` (not a SELECT, not allowed, or wrong SQL: the engine's own words), `missing`
   * (no such table or version), `limit` (memory), `closed` (aborted).
   */
  run(sql: string, options?: QueryOptions): Promise<QueryResult>
  /** Every table and view with its columns, units and meanings. */
  schema(): Promise<readonly TableDescription[]>
  [Symbol.asyncDispose](): Promise<void>
}

export type QueryEnvironment = {
  readonly lake: Lake
  readonly clock: Clock
  readonly threads?: number
  /** As DuckDB writes it: `512MB`. Nothing is spilled to disk. Default: QUERY_MEMORY_LIMIT. */
  readonly memory_limit?: string
  /** For a lake that has no files on this machine. */
  readonly cache?: FileCacheOptions
}

/** Opens a DuckDB of its own that is shut in: it reads the lake's files and nothing else of the machine. */
export async function openQuery({
  lake,
  clock,
  threads,
  memory_limit = QUERY_MEMORY_LIMIT,
  cache,
}: QueryEnvironment): Promise<Query> {
  const local = await openLocalFiles(lake.store, { cache, clock })
  const duckdb = await openDuckDb({ ...(threads !== undefined && { threads }), memory_limit, locked_to: local.folders })

  async function snapshotsFor(statement: Statement, at: QueryOptions['at']): Promise<ReadonlyMap<string, Snapshot>> {
    const known = new Set(await lake.tables())
    const names = new Set<string>()
    for (const name of statement.tables) {
      for (const table of known.has(name) ? [name] : (viewOf(name)?.reads ?? [name])) {
        if (!known.has(table)) throw missingTable(table, [...known, ...Object.keys(VIEWS)].sort())
        names.add(table)
      }
    }
    for (const name of Object.keys(at?.versions ?? {})) {
      if (!names.has(name))
        throw new Problem('invalid', `a version of ${name} was asked for, and the query does not read ${name}`)
    }
    const snapshots = [...names].map(async (name): Promise<[string, Snapshot]> => {
      const version = at?.versions?.[name]
      const when: SnapshotAt = version === undefined ? { time_ms: at?.time_ms } : { version }
      return [name, await (await lake.table(name)).snapshot(when)]
    })
    return new Map(await Promise.all(snapshots))
  }

  /** Makes a view of each table over the files that can match; they live as long as the connection. */
  async function prepare(
    connection: DuckDBConnection,
    statement: Statement,
    snapshots: ReadonlyMap<string, Snapshot>,
    held: HeldTable[],
    signal: AbortSignal | undefined,
  ) {
    const places = await allPlaces(connection, statement)
    let files = 0
    let files_total = 0
    let bytes = 0
    let fetched_bytes = 0
    let cached_files = 0
    const partitions = new Set<string>()
    const days = new Set<string>()
    for (const [name, snapshot] of snapshots) {
      const kept = new Set<string>()
      for (const conditions of places.get(name) ?? [[]]) {
        for (const file of prune(snapshot, await boundsOf(connection, snapshot, conditions))) kept.add(file.path)
      }
      const adds = [...snapshot.files.values()].filter((file) => kept.has(file.path))
      const table = await lake.table(name)
      const one = await local.hold(table.prefix, adds, signal)
      held.push(one)
      await connection.run(`CREATE TEMP VIEW ${identifier(name)} AS ${scanSql(snapshot, one.files)}`)
      fetched_bytes += one.fetched_bytes
      cached_files += one.cached_files
      files += adds.length
      files_total += snapshot.files.size
      const day = snapshot.columns.find((column) => column.type === 'date' && snapshot.partition.includes(column.name))
      for (const { size, partitionValues } of adds) {
        bytes += size
        partitions.add(JSON.stringify([name, partitionValues]))
        const value = day && partitionValues[day.name]
        if (value) days.add(value)
      }
    }
    const events = snapshots.get(EVENTS_TABLE)
    const promoted = events ? promotedOf(events) : []
    for (const name of statement.tables) {
      const view = viewOf(name)
      if (!view || snapshots.has(name)) continue
      await connection.run(`CREATE TEMP VIEW ${identifier(name)} AS ${viewSql(name, view.sql, promoted)}`)
    }
    const inOrder = [...days].sort()
    const [first = '', last = ''] = [inOrder[0], inOrder.at(-1)]
    const cost = { files, files_total, bytes, fetched_bytes, cached_files }
    return { ...cost, partitions: partitions.size, days: first ? { first, last } : null }
  }

  async function run(sql: string, { at, signal, max_rows = QUERY_ROWS_MAX }: QueryOptions = {}): Promise<QueryResult> {
    if (signal?.aborted) throw new Problem('closed', 'the query was cancelled')
    const started_ms = clock.monotonic()
    const limit = Math.min(max_rows, QUERY_ROWS_MAX)
    const connection = await duckdb.connect()
    const held: HeldTable[] = []
    const interrupt = () => connection.interrupt()
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      const statement = await checkStatement(connection, sql)
      const snapshots = await snapshotsFor(statement, at)
      const cost = await prepare(connection, statement, snapshots, held, signal)
      signal?.throwIfAborted()
      const result = await connection.stream(sql)
      const answer = await firstRows(result, limit)
      signal?.throwIfAborted()
      const types = result.columnTypes()
      return {
        columns: result.deduplicatedColumnNames().map((name, index) => ({ name, type: String(types[index]) })),
        ...answer,
        statistics: {
          ms: clock.monotonic() - started_ms,
          ...cost,
          versions: Object.fromEntries([...snapshots].map(([name, { version }]) => [name, version])),
        },
      }
    } catch (error) {
      const fault = queryFault(error, held, signal)
      // Of several files DuckDB seldom names the one.
      throw fault.kind === 'corrupt' ? ((await damageIn(connection, held)) ?? fault) : fault
    } finally {
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
      for (const one of held) await one[Symbol.asyncDispose]()
    }
  }

  async function schema(): Promise<readonly TableDescription[]> {
    const names = await lake.tables()
    const snapshots = new Map(
      await Promise.all(names.map(async (name) => [name, await (await lake.table(name)).snapshot()] as const)),
    )
    const tables = [...snapshots].map(([name, { columns, metadata }]): TableDescription => {
      return { name, kind: 'table', meaning: metadata.description ?? '', columns: columns.map(describe) }
    })
    const there = Object.entries(VIEWS).filter(
      ([name, { reads }]) => !snapshots.has(name) && reads.every((table) => snapshots.has(table)),
    )
    const events = snapshots.get(EVENTS_TABLE)
    const promoted = events ? promotedOf(events) : []
    const connection = await duckdb.connect()
    try {
      for (const table of new Set(there.flatMap(([, { reads }]) => reads))) {
        const snapshot = snapshots.get(table)
        if (snapshot) await connection.run(`CREATE TEMP VIEW ${identifier(table)} AS ${scanSql(snapshot, [])}`)
      }
      const views = there.map(async ([name, view]): Promise<TableDescription> => {
        const prepared = await connection.run(`SELECT * FROM (${viewSql(name, view.sql, promoted)}) LIMIT 0`)
        const types = prepared.columnTypes()
        const known = new Map(
          tables
            .filter((table) => view.reads.includes(table.name))
            .flatMap(({ columns }) => columns.map((column) => [column.name, column] as const)),
        )
        const columns = prepared.columnNames().map((column, index) => {
          return known.get(column) ?? { name: column, type: String(types[index]) }
        })
        return { name, kind: 'view', meaning: view.meaning, columns }
      })
      return [...tables, ...(await Promise.all(views))]
    } finally {
      connection.closeSync()
    }
  }

  return {
    run,
    schema,
    async [Symbol.asyncDispose]() {
      await duckdb[Symbol.asyncDispose]()
      await local[Symbol.asyncDispose]()
    },
  }
}

function viewOf(name: string): View | undefined {
  return Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined
}

/** The conditions at every place where a table is read, those inside views and on views included. */
async function allPlaces(connection: DuckDBConnection, statement: Statement) {
  const places = new Map<string, (readonly Condition[])[]>()
  const note = (table: string, conditions: readonly Condition[]) =>
    places.set(table, [...(places.get(table) ?? []), conditions])
  for (const [name, all] of conditionsOf(statement.tree)) {
    const view = viewOf(name)
    if (!view) {
      for (const conditions of all) note(name, conditions)
      continue
    }
    const [table = '', ...others] = view.reads
    // Of a view over several tables nothing is left out.
    if (others.length > 0) {
      for (const read of view.reads) note(read, [])
      continue
    }
    const { tree } = await checkStatement(connection, view.sql)
    const inside = conditionsOf(tree).get(table) ?? [[]]
    const passed = columnsPassedOn(tree)
    for (const conditions of all) {
      // Of a column that the view does not pass on as it is, the condition is about something else: a column that the
      // view makes, or one of a query around this one.
      const held = conditions.filter(({ column }) => passed.has(column))
      // Only of a view that reads the table once do conditions on it hold for the table too.
      for (const own of inside) note(table, inside.length === 1 ? [...own, ...held] : [])
    }
  }
  return places
}

/** Columns of a SELECT's list that are columns of its table, under the same name. */
function columnsPassedOn(tree: SyntaxNode): ReadonlySet<string> {
  const [statement] = Array.isArray(tree['statements']) ? tree['statements'].filter(isNode) : []
  const select = isNode(statement?.['node']) ? statement['node'] : {}
  const list = Array.isArray(select['select_list']) ? select['select_list'].filter(isNode) : []
  return new Set(list.map(columnOf).filter((name) => name !== undefined))
}

/** Rows up to the limit and up to QUERY_ANSWER_MAX_BYTES; the engine makes no more than are fetched. */
async function firstRows(result: DuckDBResult, limit: number) {
  const rows: Json[][] = []
  let bytes = 0
  for await (const part of result.yieldRowsJson()) {
    for (const row of part) {
      if (rows.length === limit || bytes > QUERY_ANSWER_MAX_BYTES) return { rows, truncated: true }
      rows.push(row)
      bytes += sizeOf(row)
    }
  }
  return { rows, truncated: false }
}

/** About the bytes that a value takes. */
function sizeOf(value: Json): number {
  if (typeof value === 'string') return value.length + 8
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + sizeOf(item), 8)
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).reduce((sum, [key, item]) => sum + key.length + sizeOf(item), 8)
  return 8
}

function describe({ name, type, unit, meaning }: Column) {
  return { name, type, ...(unit !== undefined && { unit }), meaning }
}
