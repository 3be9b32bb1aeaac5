import { grown } from '../lake/words.ts'

/** Events as columns. Texts are words (0: none), numbers doubles (NaN: none). Each is longer than there are rows. */
export type Columns = Readonly<ReturnType<typeof columnsOf>>

/** Of each row. */
export function columnsOf(rows: number, entries: number) {
  const words = () => new Uint32Array(rows)
  const numbers = () => new Float64Array(rows)
  return {
    batch: words(),
    /** -1 for a row about the batch itself. */
    ordinal: new Int32Array(rows),
    /** When it happened, µs since 1970: whoever appends a row sets it. */
    at: numbers(),
    ...{ kind: words(), hub: words(), device: words(), attribute: words(), text: words(), unit: words() },
    ...{ command: words(), stage: words(), reason: words() },
    ...{ m: numbers(), value: numbers(), issued: numbers(), ms: numbers() },
    /** The other fields of row i are entries [more[i], more[i + 1]). */
    more: words(),
    keys: new Uint32Array(entries),
    /** 0: null. */
    values: new Uint32Array(entries),
  }
}

/** Makes room for so many rows and entries, in place. */
export function growColumns(columns: Columns, rows: number, entries: number): void {
  const { keys, values, ...others } = columns
  if (entries > keys.length) Object.assign(columns, { keys: grown(keys, entries), values: grown(values, entries) })
  if (rows <= others.more.length) return
  for (const [name, column] of Object.entries(others)) Object.assign(columns, { [name]: grown(column, rows) })
}
