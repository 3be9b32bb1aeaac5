/** Types that a lake column may have; each has one form in Delta, DuckDB and Parquet (lake/schema.ts). */
export type OwnType = 'string' | 'long' | 'integer' | 'double' | 'boolean' | 'timestamp' | 'date' | 'map'

/** Any other type, as DuckDB calls it: only in tables that another engine made. */
export type ForeignType = string & { readonly foreign: unique symbol }

export type ColumnType = OwnType | ForeignType

/** One column, defined once: the Delta schema, the SQL and the documents are made from it. */
export type Column = {
  readonly name: string
  readonly type: ColumnType
  /** `ms`, `dBm`, `rows`, …; absent where none applies. */
  readonly unit?: string
  readonly meaning: string
}
