import { ByteSink } from './byte-sink.ts'
import { bitsFor, writeDelta, writeHybrid, writeLevels, writePlain } from './parquet-encoding.ts'
import { ENCODING, type Encoding, TYPE, type Type } from './parquet-metadata.ts'
import { compareWords, type WordList } from './words.ts'

/** The values of one column in the rows of a row group. */
export type ChunkValues =
  | { readonly words: Uint32Array }
  /** NaN is NULL. Timestamps in µs and dates in days since 1970, booleans 0 and 1. */
  | { readonly numbers: Float64Array }
  /** So many entries of each row, one after the other; none is NULL. */
  | { readonly entries: Uint32Array; readonly keys: Uint32Array; readonly values: Uint32Array }

export type Page = { readonly bytes: Buffer; readonly encoding: Encoding; readonly values: number }
/** One leaf column of a row group, not yet compressed. */
export type Leaf = {
  readonly dictionary: Page | undefined
  readonly data: Page
  readonly nulls: number
  /** Least and greatest: words by number, or numbers; undefined where every value is NULL. */
  readonly bounds: readonly [number, number] | undefined
}

const { PLAIN, DELTA_BINARY_PACKED, RLE_DICTIONARY } = ENCODING

/** A dictionary is not worth its lookups when more than one value in so many is a new one. */
const DICTIONARY_SHARE = 2
/** Differences of whole numbers within this are exact, and take no more bits than the type has, as readers expect. */
const DELTA_MAX: Readonly<Partial<Record<Type, number>>> = { [TYPE.INT32]: 2 ** 30, [TYPE.INT64]: 2 ** 51 }

/** Turns columns into pages, in memory of its own that is used again and again: for one file at a time. */
export type ChunkEncoder = {
  /** The pages that were made are no longer needed. */
  clear(): void
  text(words: WordList, values: Uint32Array, rows: number): Leaf
  numbers(type: Type, values: Float64Array, rows: number): Leaf
  /** Keys and values of a map. */
  map(words: WordList, map: Extract<ChunkValues, { entries: Uint32Array }>, rows: number): readonly [Leaf, Leaf]
}

export function openChunkEncoder(): ChunkEncoder {
  const sink = new ByteSink()
  let levels = new Uint8Array(0)
  let repeats = new Uint8Array(0)
  let present = new Uint32Array(0)
  let indexes = new Uint32Array(0)
  let dictionary = new Uint32Array(0)
  let numbers = new Float64Array(0)
  /** By word: its place in the dictionary, from 1; 0 between columns. */
  let places = new Uint32Array(0)

  function reserve(least: number): void {
    if (levels.length >= least) return
    const length = 2 ** Math.ceil(Math.log2(least))
    levels = new Uint8Array(length)
    repeats = new Uint8Array(length)
    present = new Uint32Array(length)
    indexes = new Uint32Array(length)
    dictionary = new Uint32Array(length)
    numbers = new Float64Array(length)
  }

  /** The first `count` of `present` as a page, after what `head` writes. */
  function words(list: WordList, count: number, values: number, head: () => void): Omit<Leaf, 'nulls'> {
    const { bytes, starts } = list
    if (places.length < list.count) places = new Uint32Array(list.count * 2)
    let different = 0
    for (let i = 0; i < count; i++) {
      const word = present[i] as number
      let place = places[word] as number
      if (place === 0) {
        dictionary[different] = word
        place = ++different
        places[word] = place
      }
      indexes[i] = place - 1
    }
    for (let i = 0; i < different; i++) places[dictionary[i] as number] = 0
    const bounds = different === 0 ? undefined : boundsOf(list, dictionary, different)
    if (different * DICTIONARY_SHARE > count) {
      head()
      for (let i = 0; i < count; i++) plainText(bytes, starts, present[i] as number)
      return { dictionary: undefined, data: { bytes: sink.take(), encoding: PLAIN, values }, bounds }
    }
    for (let i = 0; i < different; i++) plainText(bytes, starts, dictionary[i] as number)
    const page = { bytes: sink.take(), encoding: PLAIN, values: different }
    head()
    writeIndexes(count, different)
    return { dictionary: page, data: { bytes: sink.take(), encoding: RLE_DICTIONARY, values }, bounds }
  }

  function writeIndexes(count: number, different: number): void {
    const width = bitsFor(Math.max(different - 1, 0))
    sink.byte(width)
    writeHybrid(sink, indexes, count, width)
  }

  function plainText(bytes: Uint8Array, starts: Uint32Array, word: number): void {
    const from = starts[word] as number
    const length = (starts[word + 1] as number) - from
    sink.reserve(4 + length)
    sink.uint32(length)
    const target = sink.bytes
    const at = sink.length
    if (length < 64) for (let i = 0; i < length; i++) target[at + i] = bytes[from + i] as number
    else target.set(bytes.subarray(from, from + length), at)
    sink.length = at + length
  }

  /** Definition levels of a flat column; `present` or `numbers` gets what is not NULL. */
  const flat = (rows: number) => () => writeLevels(sink, levels, rows, 1)

  function text(list: WordList, values: Uint32Array, rows: number): Leaf {
    reserve(rows)
    let count = 0
    for (let i = 0; i < rows; i++) {
      const word = values[i] as number
      levels[i] = word === 0 ? 0 : 1
      present[count] = word
      if (word !== 0) count++
    }
    return { ...words(list, count, rows, flat(rows)), nulls: rows - count }
  }

  function numbersOf(type: Type, values: Float64Array, rows: number): Leaf {
    reserve(rows)
    let count = 0
    let least = Number.POSITIVE_INFINITY
    let greatest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < rows; i++) {
      const value = values[i] as number
      const isNull = value !== value
      levels[i] = isNull ? 0 : 1
      if (isNull) continue
      numbers[count++] = value
      if (value < least) least = value
      if (value > greatest) greatest = value
    }
    const nulls = rows - count
    const bounds = count > 0 ? ([least, greatest] as const) : undefined
    if (type === TYPE.BOOLEAN) {
      flat(rows)()
      packBooleans(count)
      return { dictionary: undefined, data: { bytes: sink.take(), encoding: PLAIN, values: rows }, nulls, bounds }
    }
    const delta_max = DELTA_MAX[type]
    const isDelta = delta_max !== undefined && count > 0 && -delta_max < least && greatest < delta_max
    const repeated = repeatedNumbers(count, rows, type)
    if (repeated && !isDelta) return { ...repeated, nulls, bounds }
    flat(rows)()
    if (isDelta) writeDelta(sink, numbers, count)
    else for (let i = 0; i < count; i++) writePlain(sink, type, numbers[i] as number)
    const data = { bytes: sink.take(), encoding: isDelta ? DELTA_BINARY_PACKED : PLAIN, values: rows }
    // Both are packed to the bit, so that what is shorter now is shorter after compression.
    const isShorter = repeated && repeated.dictionary.bytes.length + repeated.data.bytes.length <= data.bytes.length
    return { ...(isShorter ? repeated : { dictionary: undefined, data }), nulls, bounds }
  }

  /** By a dictionary, where one may pay. */
  function repeatedNumbers(count: number, rows: number, type: Type) {
    const different = differentNumbers(count)
    if (different === 0) return undefined
    for (let i = 0; i < different; i++) writePlain(sink, type, table[dictionary[i] as number] as number)
    const page: Page = { bytes: sink.take(), encoding: PLAIN, values: different }
    flat(rows)()
    writeIndexes(count, different)
    const data: Page = { bytes: sink.take(), encoding: RLE_DICTIONARY, values: rows }
    return { dictionary: page, data }
  }

  function packBooleans(count: number): void {
    for (let from = 0; from < count; from += 8) {
      let byte = 0
      for (let i = from; i < Math.min(from + 8, count); i++) byte |= (numbers[i] as number) << (i - from)
      sink.byte(byte)
    }
  }

  /** Numbers by hash, and the place of each in the dictionary. */
  const table = new Float64Array(NUMBERS_TABLE)
  const tableBits = new Uint32Array(table.buffer)
  const tablePlaces = new Uint32Array(NUMBERS_TABLE)
  const cell = new Float64Array(1)
  const cellBits = new Uint32Array(cell.buffer)

  /** How many different numbers there are, `indexes` into `dictionary` filled; 0 when a dictionary does not pay. */
  function differentNumbers(count: number): number {
    tablePlaces.fill(0)
    const most = Math.min(NUMBERS_TABLE / 2, count / NUMBERS_SHARE)
    let different = 0
    for (let i = 0; i < count; i++) {
      cell[0] = numbers[i] as number
      const low = cellBits[0] as number
      const high = cellBits[1] as number
      let slot = (Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b) >>> 15) & (NUMBERS_TABLE - 1)
      while (tablePlaces[slot] !== 0 && (tableBits[2 * slot] !== low || tableBits[2 * slot + 1] !== high))
        slot = (slot + 1) & (NUMBERS_TABLE - 1)
      if (tablePlaces[slot] === 0) {
        if (different >= most) return 0
        table[slot] = numbers[i] as number
        dictionary[different] = slot
        tablePlaces[slot] = ++different
      }
      indexes[i] = (tablePlaces[slot] as number) - 1
    }
    return different
  }

  return {
    clear: () => sink.clear(),
    text,
    numbers: numbersOf,
    map(list, { entries, keys, values }, rows) {
      let count = 0
      let slots = 0
      for (let i = 0; i < rows; i++) {
        count += entries[i] as number
        slots += Math.max(1, entries[i] as number)
      }
      reserve(slots)
      let at = 0
      for (let i = 0; i < rows; i++) {
        const some = entries[i] as number
        repeats[at] = 0
        levels[at++] = some === 0 ? 0 : 2
        for (let j = 1; j < some; j++) {
          repeats[at] = 1
          levels[at++] = 2
        }
      }
      const head = () => {
        writeLevels(sink, repeats, slots, 1)
        writeLevels(sink, levels, slots, 2)
      }
      present.set(keys.subarray(0, count))
      const keyLeaf = { ...words(list, count, slots, head), nulls: slots - count }
      let filled = 0
      let entry = 0
      for (let i = 0; i < slots; i++) {
        if (levels[i] === 0) continue
        const word = values[entry++] as number
        if (word === 0) continue
        levels[i] = 3
        present[filled++] = word
      }
      return [keyLeaf, { ...words(list, filled, slots, head), nulls: slots - filled }]
    },
  }
}

const NUMBERS_TABLE = 1 << 15
/** Eight bytes against the bits of an index: a dictionary pays when each number is there so many times. */
const NUMBERS_SHARE = 4

function boundsOf(list: WordList, ids: Uint32Array, count: number): readonly [number, number] {
  let least = ids[0] as number
  let greatest = least
  for (let i = 1; i < count; i++) {
    const id = ids[i] as number
    if (compareWords(list, id, least) < 0) least = id
    else if (compareWords(list, id, greatest) > 0) greatest = id
  }
  return [least, greatest]
}
