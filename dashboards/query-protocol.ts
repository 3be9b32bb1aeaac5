import type { ProblemKind } from '../contract/problem.ts'
import type { ExplainAnswer, StandingLook } from './jobs-api.ts'
import type { TableLook, VersionLook } from './lake-api.ts'

/** One value of an answer, as JSON can carry it: whole numbers past 2^53 and decimals come as text. */
export type Cell = string | number | boolean | null

/** What a query answered, and what it cost. */
export type QueryAnswer = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly Cell[])[]
  /** More rows were there than were asked for. */
  readonly truncated: boolean
  readonly statistics: {
    readonly ms: number
    readonly files: number
    readonly bytes: number
    readonly partitions: number
    /** First and last UTC day of what was read; null where no table is kept by day. */
    readonly days: { readonly first: string; readonly last: string } | null
    /** The version of each table that was read. */
    readonly versions: Readonly<Record<string, number>>
  }
}

export type SchemaAnswer = {
  readonly tables: readonly {
    readonly name: string
    readonly kind: 'table' | 'view'
    readonly meaning: string
    readonly columns: readonly {
      readonly name: string
      readonly type: string
      readonly unit?: string
      readonly meaning?: string
    }[]
  }[]
}

/** What one query asks of the child. */
export type QueryOrder = { readonly sql: string; readonly max_rows: number }

/** Which versions of a table one asks the child for. */
export type VersionsOrder = { readonly table: string; readonly limit: number }

/** Which hour of a metric one asks the child about. */
export type ExplainOrder = { readonly metric: string; readonly hour_ms: number }

/** Dashboards → child. */
export type ToChild =
  | { readonly type: 'run'; readonly id: number; readonly order: QueryOrder }
  | { readonly type: 'schema'; readonly id: number }
  | { readonly type: 'tables'; readonly id: number }
  | { readonly type: 'versions'; readonly id: number; readonly order: VersionsOrder }
  | { readonly type: 'standing'; readonly id: number }
  | { readonly type: 'explain'; readonly id: number; readonly order: ExplainOrder }
  | { readonly type: 'cancel'; readonly id: number }

/** Child → dashboards. */
export type FromChild =
  | { readonly type: 'ready' }
  | { readonly type: 'answer'; readonly id: number; readonly answer: QueryAnswer }
  | { readonly type: 'schema'; readonly id: number; readonly schema: SchemaAnswer }
  | { readonly type: 'tables'; readonly id: number; readonly tables: readonly TableLook[] }
  | { readonly type: 'versions'; readonly id: number; readonly versions: readonly VersionLook[] }
  | { readonly type: 'standing'; readonly id: number; readonly standing: StandingLook }
  | { readonly type: 'explained'; readonly id: number; readonly explained: ExplainAnswer }
  | { readonly type: 'problem'; readonly id: number; readonly kind: ProblemKind; readonly message: string }

/** Asks the lake: in a child process of its own when serving people; in the same process in tests. */
export type Queries = {
  /** Raises `invalid` for SQL that is wrong or not allowed, `limit`, `closed` when cancelled, `unavailable`. */
  run(order: QueryOrder, signal: AbortSignal): Promise<QueryAnswer>
  schema(signal: AbortSignal): Promise<SchemaAnswer>
  /** Every table, from its log alone. */
  tables(signal: AbortSignal): Promise<readonly TableLook[]>
  /** Newest first. Raises `missing` for a table that is not there. */
  versions(order: VersionsOrder, signal: AbortSignal): Promise<readonly VersionLook[]>
  /** Where each metric stands, and which runs are under way. */
  standing(signal: AbortSignal): Promise<StandingLook>
  /** Raises `missing` for a metric or an hour that there is not. */
  explain(order: ExplainOrder, signal: AbortSignal): Promise<ExplainAnswer>
  /** Is the child up? */
  ready(): boolean
  /** Queries that run and that wait. */
  load(): { readonly running: number; readonly waiting: number; readonly restarts: number }
  close(): Promise<void>
}
