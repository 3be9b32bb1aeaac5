import type { Column } from '../contract/column.ts'
import { EVENT_TIME_FUTURE_MAX_MS, EVENT_TIME_PAST_MAX_MS } from '../contract/limits.ts'
import type { ChunkValues } from '../lake/parquet-chunk.ts'
import { type PromotedColumn, storedValue } from '../lake/promoted.ts'
import { BATCH_KIND, type Columns, DEAD_KIND, type EventRows } from './event-rows.ts'

/** What all rows of a batch have in common. Words are 0 and numbers NaN where the batch says nothing. */
export type BatchValues = {
  readonly bucket: number
  readonly position: number
  readonly service: boolean
  readonly received_ms: number
  readonly now_ms: number
  readonly wall_ms: number
  readonly first: number
  readonly count: number
  readonly next: number
  readonly acked: number
  readonly duplicates: number
  readonly source: number
  readonly boot: number
  readonly stream: number
  readonly firmware: number
  readonly agent: number
  readonly dropped: number
  readonly crc: number
  /** Lines that became dead; counted as they come. */
  dead: number
}

/** A later time than the end of the year 9999 cannot be written down. */
const TIME_MAX_MS = 253_402_300_799_999

/** When an event of a batch happened, ms since 1970: `eventTime` of contract/event.ts, without an object a row. */
export function eventMs({ now_ms, wall_ms, received_ms }: BatchValues, m: number): number {
  const earliest = received_ms - EVENT_TIME_PAST_MAX_MS
  const latest = received_ms + EVENT_TIME_FUTURE_MAX_MS
  if (now_ms === now_ms) return Math.min(Math.max(received_ms - (now_ms - m), earliest), latest)
  const wall = wall_ms + m
  return wall >= earliest && wall <= latest ? wall : received_ms
}

export const isTransport = (kind: number) => kind === BATCH_KIND || kind === DEAD_KIND

const micros = (ms: number) => Math.round(ms * 1000)

/** Makes the columns of the events table from rows in a given order, a row group at a time. Its arrays are used anew. */
export function openEventValues(
  rows: EventRows,
  batches: readonly BatchValues[],
  log_id: string,
  promoted: readonly PromotedColumn[],
): (order: Uint32Array) => (column: Column) => ChunkValues {
  const of = rows.columns()
  const { words } = rows
  const sources = { monotonic: words.of('monotonic'), wall: words.of('wall'), received: words.of('received') }
  const log = words.of(log_id)
  const fields = new Map(promoted.map((column) => [column.name, openField(rows, column)]))
  const fieldOf = new Map([...fields.values()].map((field) => [field.name, field]))
  let wordArray = new Uint32Array(0)
  let numberArray = new Float64Array(0)
  let keyArray = new Uint32Array(0)
  let valueArray = new Uint32Array(0)

  function timeSource(batch: BatchValues, m: number): number {
    if (batch.now_ms === batch.now_ms) return sources.monotonic
    const off = batch.wall_ms + m - batch.received_ms
    return off >= -EVENT_TIME_PAST_MAX_MS && off <= EVENT_TIME_FUTURE_MAX_MS ? sources.wall : sources.received
  }

  return (order) => {
    const count = order.length
    if (wordArray.length < count) {
      wordArray = new Uint32Array(count)
      numberArray = new Float64Array(count)
    }
    const batchAt = (row: number) => batches[of.batch[row] as number] as BatchValues
    const wordsOf = (wordOf: (row: number) => number): ChunkValues => {
      for (let i = 0; i < count; i++) wordArray[i] = wordOf(order[i] as number)
      return { words: wordArray }
    }
    const numbersOf = (numberOf: (row: number) => number): ChunkValues => {
      for (let i = 0; i < count; i++) numberArray[i] = numberOf(order[i] as number)
      return { numbers: numberArray }
    }
    const plain = (column: Uint32Array): ChunkValues => {
      for (let i = 0; i < count; i++) wordArray[i] = column[order[i] as number] as number
      return { words: wordArray }
    }
    const plainNumbers = (column: Float64Array, times: number): ChunkValues => {
      for (let i = 0; i < count; i++) numberArray[i] = (column[order[i] as number] as number) * times
      return { numbers: numberArray }
    }
    /** What all rows of a batch have. */
    const ofBatch = (wordOf: (batch: BatchValues) => number): ChunkValues => {
      const of_batch = Uint32Array.from(batches, wordOf)
      for (let i = 0; i < count; i++) wordArray[i] = of_batch[of.batch[order[i] as number] as number] as number
      return { words: wordArray }
    }
    /** Of rows about the batch itself, or of whole batches that could not be read. */
    const batchNumber = (numberOf: (batch: BatchValues) => number) =>
      numbersOf((row) => (of.ordinal[row] === -1 ? numberOf(batchAt(row)) : Number.NaN))
    const batchWord = (wordOf: (batch: BatchValues) => number) =>
      wordsOf((row) => (of.ordinal[row] === -1 ? wordOf(batchAt(row)) : 0))
    const isEvent = (row: number) => !isTransport(of.kind[row] as number)

    function more(): ChunkValues {
      let entries = 0
      for (let i = 0; i < count; i++) {
        const row = order[i] as number
        entries += (of.more[row + 1] as number) - (of.more[row] as number)
      }
      if (keyArray.length < entries) {
        keyArray = new Uint32Array(entries)
        valueArray = new Uint32Array(entries)
      }
      let used = 0
      for (let i = 0; i < count; i++) {
        const row = order[i] as number
        const before = used
        const end = of.more[row + 1] as number
        for (let entry = of.more[row] as number; entry < end; entry++) {
          const key = of.keys[entry] as number
          const value = of.values[entry] as number
          if (fieldOf.size > 0 && isEvent(row) && fieldOf.get(key)?.isSaid(value)) continue
          keyArray[used] = key
          valueArray[used] = value
          used++
        }
        wordArray[i] = used - before
      }
      return { entries: wordArray, keys: keyArray, values: valueArray }
    }

    return ({ name }) => {
      switch (name) {
        case 'hub_id':
          return wordsOf((row) => {
            const batch = batchAt(row)
            return !batch.service ? batch.source : isEvent(row) ? (of.hub[row] as number) : 0
          })
        case 'source_id':
          return ofBatch(({ source }) => source)
        case 'boot_id':
          return ofBatch(({ boot }) => boot)
        case 'stream':
          return ofBatch(({ stream }) => stream)
        case 'seq':
          return numbersOf((row) =>
            of.ordinal[row] === -1 ? Number.NaN : batchAt(row).first + (of.ordinal[row] as number),
          )
        case 'event_time':
          return plainNumbers(of.at, 1)
        case 'received_time':
          return numbersOf((row) => micros(batchAt(row).received_ms))
        case 'hub_time':
          return numbersOf((row) => {
            const ms = batchAt(row).wall_ms + (of.m[row] as number)
            return ms >= 0 && ms <= TIME_MAX_MS ? micros(ms) : Number.NaN
          })
        case 'mono_ms':
          return plainNumbers(of.m, 1)
        case 'time_source':
          return wordsOf((row) => (isEvent(row) ? timeSource(batchAt(row), of.m[row] as number) : sources.received))
        case 'kind':
          return plain(of.kind)
        case 'issued_time':
          return numbersOf((row) => micros(of.issued[row] as number))
        case 'device_id':
          return plain(of.device)
        case 'attribute':
          return plain(of.attribute)
        case 'value':
          return plainNumbers(of.value, 1)
        case 'text':
          return plain(of.text)
        case 'unit':
          return plain(of.unit)
        case 'command_id':
          return plain(of.command)
        case 'stage':
          return plain(of.stage)
        case 'duration_ms':
          return plainNumbers(of.ms, 1)
        case 'reason':
          return plain(of.reason)
        case 'firmware':
          return ofBatch(({ firmware }) => firmware)
        case 'agent':
          return ofBatch(({ agent }) => agent)
        case 'extra':
          return more()
        case 'log_id':
          return wordsOf((row) => (isEvent(row) ? 0 : log))
        case 'log_position':
          return numbersOf((row) => (isEvent(row) ? Number.NaN : batchAt(row).position))
        case 'ordinal':
          return numbersOf((row) => (isEvent(row) ? Number.NaN : (of.ordinal[row] as number)))
        case 'batch_first':
          return batchNumber((batch) => batch.first)
        case 'batch_count':
          return batchNumber((batch) => batch.count)
        case 'batch_next':
          return batchNumber((batch) => batch.next)
        case 'batch_acked':
          return batchNumber((batch) => batch.acked)
        case 'batch_dropped':
          return batchWord((batch) => batch.dropped)
        case 'batch_crc':
          return batchWord((batch) => batch.crc)
        case 'batch_duplicates':
          return batchNumber((batch) => batch.duplicates)
        case 'batch_dead':
          // Told of a batch that could be read.
          return numbersOf((row) => (of.kind[row] === BATCH_KIND ? batchAt(row).dead : Number.NaN))
        default: {
          const field = fields.get(name)
          if (field?.type === 'string') return wordsOf((row) => field.word(row))
          return numbersOf((row) => field?.number(row) ?? Number.NaN)
        }
      }
    }
  }
}

/** A field that has become a column, as rows have it; each different text is looked at once. */
function openField({ words, ...rows }: EventRows, { name, type }: PromotedColumn) {
  const key = words.of(name)
  const of: Columns = rows.columns()
  const known = new Map<number, ReturnType<typeof storedValue>>()

  function stored(word: number) {
    const found = known.get(word) ?? storedValue(type, words.text(word))
    known.set(word, found)
    return found
  }

  /** The word that the field has in the row; 0 when it is absent or null, and in rows about transport. */
  function wordIn(row: number): number {
    if (isTransport(of.kind[row] as number)) return 0
    const end = of.more[row + 1] as number
    for (let entry = of.more[row] as number; entry < end; entry++)
      if (of.keys[entry] === key) return of.values[entry] as number
    return 0
  }

  return {
    name: key,
    type,
    word: wordIn,
    number(row: number): number {
      const word = wordIn(row)
      return word === 0 ? Number.NaN : stored(word).value
    },
    /** Does the column say the same text, so that `extra` need not? */
    isSaid: (word: number) => word !== 0 && (type === 'string' || stored(word).isSaid),
  }
}
