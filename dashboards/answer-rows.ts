import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import type { QueryAnswer } from './query-protocol.ts'

/** The rows of an answer as objects, checked: the border between SQL and the types of the pages. Raises `corrupt`. */
export function rowsOf<S extends z.ZodType>(answer: QueryAnswer, schema: S): z.output<S>[] {
  const names = answer.columns.map((column) => column.name)
  const result = z
    .array(schema)
    .safeParse(answer.rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? null]))))
  if (!result.success) {
    throw new Problem('corrupt', `a table has not the columns that this page reads: ${z.prettifyError(result.error)}`)
  }
  return result.data
}

/** A number that may come as text (decimals and whole numbers past 2^53). */
export const numeric = z
  .union([z.number(), z.string().transform(Number)])
  .nullable()
  .transform((value) => (value === null || Number.isNaN(value) ? null : value))

/** The same where null counts as none. */
export const count = numeric.transform((value) => value ?? 0)
