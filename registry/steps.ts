/**
 * A change of the registry as the steps of a transaction: a generator that asks SQL and is handed the answers, so that the
 * rules are written once and any database runs them. The SQL is what SQLite and Postgres share, with `?` for values.
 */
export type Value = string | number | null
export type Row = Readonly<Record<string, unknown>>
export type Ask = { readonly sql: string; readonly values: readonly Value[] }
/** `changed`: rows that an INSERT, UPDATE or DELETE touched. */
export type Answer = { readonly rows: readonly Row[]; readonly changed: number }
export type Steps<T> = Generator<Ask, T, Answer>

/** Runs a change: all of its writes or none, durable when it resolves; one after the other, whoever makes them. */
export type Change = <T>(steps: () => Steps<T>) => Promise<T>

/** The first row of a SELECT. */
export function* row(sql: string, ...values: Value[]): Steps<Row | undefined> {
  const { rows } = yield { sql, values }
  return rows[0]
}

/** All rows of a SELECT. */
export function* rows(sql: string, ...values: Value[]): Steps<readonly Row[]> {
  const answer = yield { sql, values }
  return answer.rows
}

/** Returns how many rows changed. */
export function* run(sql: string, ...values: Value[]): Steps<number> {
  const { changed } = yield { sql, values }
  return changed
}
