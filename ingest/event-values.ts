import type { Column } from '../contract/column.ts'
import { timeSource } from '../contract/event.ts'
import { assert } from '../contract/problem.ts'
import type { ChunkValues } from '../lake/parquet-chunk.ts'
import { type PromotedColumn, storedValue } from '../lake/promoted.ts'
import { BATCH_KIND, type EventRows, isTransport, TIME_MAX_MS } from './event-rows.ts'

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

  return (order) => {
    const count = order.length
    if (wordArray.length < count) {
      wordArray = new Uint32Array(count)
      numberArray = new Float64Array(count)
    }
    /** Places of rows about transport: few, and in most groups none. */
    const transport: number[] = []
    for (let i = 0; i < count; i++) if (isTransport(of.kind[order[i] as number] as number)) transport.push(i)
    const batchAt = (row: number) => batches[of.batch[row] as number] as BatchValues

    const wordsOf = (column: Uint32Array): ChunkValues => {
      for (let i = 0; i < count; i++) wordArray[i] = column[order[i] as number] as number
      return { words: wordArray }
    }
    const numbersOf = (column: Float64Array): ChunkValues => {
      for (let i = 0; i < count; i++) numberArray[i] = column[order[i] as number] as number
      return { numbers: numberArray }
    }
    const batchWords = (wordOf: (batch: BatchValues) => number): ChunkValues => {
      const known = Uint32Array.from(batches, wordOf)
      for (let i = 0; i < count; i++) wordArray[i] = known[of.batch[order[i] as number] as number] as number
      return { words: wordArray }
    }
    /** That of its batch, and what each row adds to it. */
    const batchNumbers = (numberOf: (batch: BatchValues) => number, more?: Float64Array | Int32Array): Float64Array => {
      const known = Float64Array.from(batches, numberOf)
      for (let i = 0; i < count; i++) {
        const row = order[i] as number
        const added = more ? (more[row] as number) : 0
        numberArray[i] = (known[of.batch[row] as number] as number) + added
      }
      return numberArray
    }
    /** Of rows about transport alone. */
    const transportNumbers = (numberOf: (row: number, batch: BatchValues) => number): ChunkValues => {
      numberArray.fill(Number.NaN, 0, count)
      for (const i of transport) numberArray[i] = numberOf(order[i] as number, batchAt(order[i] as number))
      return { numbers: numberArray }
    }
    const transportWords = (wordOf: (row: number, batch: BatchValues) => number): ChunkValues => {
      wordArray.fill(0, 0, count)
      for (const i of transport) wordArray[i] = wordOf(order[i] as number, batchAt(order[i] as number))
      return { words: wordArray }
    }
    /** Of rows about the batch itself, or of whole batches that could not be read. */
    const isWhole = (row: number) => of.ordinal[row] === -1
    const wholeNumbers = (numberOf: (batch: BatchValues) => number) =>
      transportNumbers((row, batch) => (isWhole(row) ? numberOf(batch) : Number.NaN))
    const wholeWords = (wordOf: (batch: BatchValues) => number) =>
      transportWords((row, batch) => (isWhole(row) ? wordOf(batch) : 0))

    function hubs(): ChunkValues {
      const known = Uint32Array.from(batches, ({ service, source }) => (service ? 0 : source))
      for (let i = 0; i < count; i++) {
        const row = order[i] as number
        wordArray[i] = (known[of.batch[row] as number] as number) || (of.hub[row] as number)
      }
      for (const i of transport) wordArray[i] = known[of.batch[order[i] as number] as number] as number
      return { words: wordArray }
    }

    function hubTimes(): ChunkValues {
      batchNumbers(({ wall_ms }) => wall_ms, of.m)
      for (let i = 0; i < count; i++) {
        const ms = numberArray[i] as number
        numberArray[i] = ms >= 0 && ms <= TIME_MAX_MS ? Math.round(ms * 1000) : Number.NaN
      }
      return { numbers: numberArray }
    }

    function issuedTimes(): ChunkValues {
      numbersOf(of.issued)
      for (let i = 0; i < count; i++) numberArray[i] = Math.round((numberArray[i] as number) * 1000)
      return { numbers: numberArray }
    }

    function timeSources(): ChunkValues {
      for (let i = 0; i < count; i++) {
        const row = order[i] as number
        const batch = batchAt(row)
        wordArray[i] = sources[timeSource(batch, of.m[row] as number, batch.received_ms)]
      }
      for (const i of transport) wordArray[i] = sources.received
      return { words: wordArray }
    }

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
          return hubs()
        case 'source_id':
          return batchWords(({ source }) => source)
        case 'boot_id':
          return batchWords(({ boot }) => boot)
        case 'stream':
          return batchWords(({ stream }) => stream)
        case 'seq': {
          const numbers = batchNumbers(({ first }) => first, of.ordinal)
          for (const i of transport) if (isWhole(order[i] as number)) numbers[i] = Number.NaN
          return { numbers }
        }
        case 'event_time':
          return numbersOf(of.at)
        case 'received_time':
          return { numbers: batchNumbers(({ received_ms }) => Math.round(received_ms * 1000)) }
        case 'hub_time':
          return hubTimes()
        case 'mono_ms':
          return numbersOf(of.m)
        case 'time_source':
          return timeSources()
        case 'kind':
          return wordsOf(of.kind)
        case 'issued_time':
          return issuedTimes()
        case 'device_id':
          return wordsOf(of.device)
        case 'attribute':
          return wordsOf(of.attribute)
        case 'value':
          return numbersOf(of.value)
        case 'text':
          return wordsOf(of.text)
        case 'unit':
          return wordsOf(of.unit)
        case 'command_id':
          return wordsOf(of.command)
        case 'stage':
          return wordsOf(of.stage)
        case 'duration_ms':
          return numbersOf(of.ms)
        case 'reason':
          return wordsOf(of.reason)
        case 'firmware':
          return batchWords(({ firmware }) => firmware)
        case 'agent':
          return batchWords(({ agent }) => agent)
        case 'extra':
          return more()
        case 'log_id':
          return transportWords(() => log)
        case 'log_position':
          return transportNumbers((_row, { position }) => position)
        case 'ordinal':
          return transportNumbers((row) => of.ordinal[row] as number)
        case 'batch_first':
          return wholeNumbers(({ first }) => first)
        case 'batch_count':
          return wholeNumbers(({ count: events }) => events)
        case 'batch_next':
          return wholeNumbers(({ next }) => next)
        case 'batch_acked':
          return wholeNumbers(({ acked }) => acked)
        case 'batch_dropped':
          return wholeWords(({ dropped }) => dropped)
        case 'batch_crc':
          return wholeWords(({ crc }) => crc)
        case 'batch_duplicates':
          return wholeNumbers(({ duplicates }) => duplicates)
        case 'batch_dead':
          // Told of a batch that could be read.
          return transportNumbers((row, { dead }) => (of.kind[row] === BATCH_KIND ? dead : Number.NaN))
        default: {
          const field = fields.get(name)
          assert(field, `values of the column ${name}`)
          for (let i = 0; i < count; i++) {
            if (field.type === 'string') wordArray[i] = field.word(order[i] as number)
            else numberArray[i] = field.number(order[i] as number)
          }
          return field.type === 'string' ? { words: wordArray } : { numbers: numberArray }
        }
      }
    }
  }
}

/** A field that has become a column, as rows have it; each different text is looked at once. */
function openField(rows: EventRows, { name, type }: PromotedColumn) {
  const { words } = rows
  const key = words.of(name)
  const { kind } = rows.columns()
  const known = new Map<number, ReturnType<typeof storedValue>>()

  function stored(word: number) {
    const found = known.get(word) ?? storedValue(type, words.text(word))
    known.set(word, found)
    return found
  }

  /** The word that the field has in the row; 0 when it is absent or null, and in rows about transport. */
  function wordIn(row: number): number {
    return isTransport(kind[row] as number) ? 0 : rows.moreWord(row, key)
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
