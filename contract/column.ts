/** Types that a lake column may have; each has one form in Delta, DuckDB and Parquet (lake/schema.ts). */
export type ColumnType = 'string' | 'long' | 'integer' | 'double' | 'boolean' | 'timestamp' | 'date' | 'map'

/** One column, defined once: the Delta schema, the SQL and the documents are made from it. */
export type Column = {
  readonly name: string
  readonly type: ColumnType
  /** `ms`, `dBm`, `rows`, …; absent where none applies. */
  readonly unit?: string
  readonly meaning: string
}
