import type { Json } from '@duckdb/node-api'

type Row = Readonly<Record<string, Json>>

/** A column of a row that DuckDB gave, as text; undefined where it is NULL or no scalar. */
export function textIn(row: Row, name: string): string | undefined {
  const value = row[name]
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}

/** The same as a number. */
export function numberIn(row: Row, name: string): number | undefined {
  const text = textIn(row, name)
  return text === undefined ? undefined : Number(text)
}
