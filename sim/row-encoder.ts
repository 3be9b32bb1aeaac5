import type { Random } from '../contract/clock.ts'
import { randomHex } from '../contract/clock.ts'
import { EVENTS_COLUMNS } from '../contract/events-table.ts'
import type { Encoder } from '../ingest/encoder.ts'
import { beginAttempt, type EventAttempt } from '../ingest/event-attempt.ts'
import { openEventOrder } from '../ingest/event-order.ts'
import { planEvents } from '../ingest/event-plan.ts'
import { openEventRows } from '../ingest/event-rows.ts'
import { openEventValues } from '../ingest/event-values.ts'
import type { AddFile } from '../lake/action.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { ChunkValues } from '../lake/parquet-chunk.ts'
import type { Words } from '../lake/words.ts'
import { timesIn } from './plain-rows.ts'

type Cell = string | number | Readonly<Record<string, string | null>>

/** One row of the simulated events table. */
export type Row = {
  readonly kind: string
  readonly source: string
  readonly boot: string
  readonly stream: string
  /** −1 for a row about a whole batch. */
  readonly seq: number
  /** The log that the position is of. */
  readonly log: string
  readonly bucket: number
  readonly position: number
  readonly ordinal: number
  readonly hub: string
  readonly command?: string
  readonly stage?: string
  /** Of a batch that could not be read: the numbers that it uses up. */
  readonly claim?: readonly [number, number]
  /** The line as it came; of a dead one, as its row has it. */
  readonly line: string
  /** The columns of the events table that are not NULL; times in µs since 1970. */
  readonly columns: Readonly<Record<string, Cell>>
}

/** So few that attempts end at it, as one does in production that finds a backlog of months. */
const DATES_MAX = 3

/** What rows of an attempt have in common beside their columns: the log, and by batch the lines as they came. */
type Origin = { readonly log: string; readonly lines: readonly (readonly string[])[] }

/** Rows as lines of JSON, in one object a (date, bucket), in place of Parquet: everything else is what ingest does. */
export function rowEncoder(options: {
  readonly store: ObjectStore
  readonly random: Random
  readonly buckets: number
  readonly log: string
}): Encoder {
  const { store, random, buckets, log } = options
  const rows = openEventRows()
  return {
    async begin(erasedHub) {
      const attempt = beginAttempt(rows, buckets, 0)
      const lines: string[][] = []
      return {
        async add(batch) {
          attempt.add(batch)
          lines.push(batch.lines.toString().split('\n'))
        },
        async finish() {
          const known = attempt.subjects().map((hub) => [hub, erasedHub?.(hub)] as const)
          const erased = new Map(known.flatMap(([hub, one]) => (one ? [[hub, one] as const] : [])))
          const { partitions, ...plan } = planEvents(attempt, { erased, dates_max: DATES_MAX })
          const rowsOf = openRows(attempt, { log, lines })
          const files = []
          for (const { bucket, date, rows: order } of partitions) {
            const path = `event_date=${date}/bucket=${bucket}/${randomHex(random, 8)}.parquet`
            files.push({ bucket, add: await addOf(store, path, rowsOf(order)), rows: order.length })
          }
          return { ...plan, files }
        },
        close: async () => undefined,
      }
    },
    close: async () => undefined,
  }
}

/** Puts rows as a file of the table, and says so of it. Its path is below `event_date=…/bucket=…`. */
export async function addOf(store: ObjectStore, path: string, rows: readonly Row[]): Promise<AddFile> {
  const body = Buffer.from(rows.map((one) => `${JSON.stringify(one)}\n`).join(''))
  await store.put(`events/${path}`, body)
  const [date = '', bucket = ''] = path.split('/').map((part) => part.slice(part.indexOf('=') + 1))
  return {
    path,
    partitionValues: { event_date: date, bucket },
    size: body.length,
    modificationTime: 0,
    dataChange: true,
    stats: timesIn(rows.map(timesOf), TIMES),
  }
}

const TIMES = ['event_time', 'received_time']

/** In ms. */
function timesOf({ columns }: Row): Readonly<Record<string, number>> {
  return Object.fromEntries(
    TIMES.flatMap((name) => {
      const time_us = columns[name]
      return typeof time_us === 'number' ? [[name, Math.floor(time_us / 1000)] as const] : []
    }),
  )
}

/** The rows of a file as `rowEncoder` wrote it. */
export function decodeRows(body: Uint8Array): readonly Row[] {
  return Buffer.from(body)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line): Row => JSON.parse(line))
}

/** Makes the rows of a file, in the order of the events table. */
function openRows(attempt: EventAttempt, { log, lines }: Origin): (order: Uint32Array) => readonly Row[] {
  const { rows, batches } = attempt
  const { batch, ordinal } = rows.columns()
  const valuesOf = openEventValues(rows, attempt.values, log, [])
  const sort = openEventOrder(attempt, rows.words.list())
  return (order) => {
    sort(order)
    const valueOf = valuesOf(order)
    const table = EVENTS_COLUMNS.map(
      (column) => [column.name, cellsOf(valueOf(column), rows.words, order.length)] as const,
    )
    return [...order].flatMap((at, i) => {
      const number = batch[at] as number
      const of = batches[number]
      if (!of) return []
      const place = { log, bucket: of.bucket, position: of.position, ordinal: ordinal[at] as number }
      const cells = table.flatMap(([name, values]) => (values[i] === undefined ? [] : [[name, values[i]] as const]))
      return [rowOf(place, Object.fromEntries(cells), lines[number]?.[place.ordinal])]
    })
  }
}

function rowOf(
  place: Pick<Row, 'log' | 'bucket' | 'position' | 'ordinal'>,
  of: Row['columns'],
  line: string | undefined,
): Row {
  const text = (name: string) => (typeof of[name] === 'string' ? of[name] : undefined)
  const number = (name: string) => (typeof of[name] === 'number' ? of[name] : undefined)
  const [kind = '', command, stage] = [text('kind'), text('command_id'), text('stage')]
  const [first, count] = [number('batch_first'), number('batch_count')]
  return {
    ...{ kind, source: text('source_id') ?? '', boot: text('boot_id') ?? '', stream: text('stream') ?? '' },
    ...{ seq: number('seq') ?? -1, ...place, hub: text('hub_id') ?? '' },
    ...(command !== undefined && { command }),
    ...(stage !== undefined && { stage }),
    ...(kind === 'dead' && first !== undefined && count !== undefined && { claim: [first, first + count] }),
    line: (kind === 'dead' ? text('text') : line) ?? '',
    columns: of,
  }
}

/** The values of a column as JSON has them; undefined for NULL. They are read at once, since the arrays are used anew. */
function cellsOf(values: ChunkValues, words: Words, count: number): readonly (Cell | undefined)[] {
  if ('numbers' in values)
    return Array.from(values.numbers.subarray(0, count), (value) => (Number.isNaN(value) ? undefined : value))
  if (!('entries' in values))
    return Array.from(values.words.subarray(0, count), (word) => (word === 0 ? undefined : words.text(word)))
  let used = 0
  return Array.from(values.entries.subarray(0, count), (size) => {
    const from = used
    used += size
    const text = (word: number) => (word === 0 ? null : words.text(word))
    const entries = Array.from(values.keys.subarray(from, used), (key, i) => [
      words.text(key),
      text(values.values[from + i] ?? 0),
    ])
    return Object.fromEntries(entries)
  })
}
