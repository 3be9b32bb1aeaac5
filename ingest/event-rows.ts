import { EVENT_FIELDS, SERVICE_KINDS, TRANSPORT_KINDS } from '../contract/event.ts'
import { grown, HASH_PRIME, openWords, type Words } from '../lake/words.ts'
import { type Columns, columnsOf, growColumns } from './event-columns.ts'
import { scanNumber, scanned, skipName, skipSpace, skipString, skipValue } from './json-bytes.ts'
import { EVENT_DEPTH_MAX } from './limits.ts'

/**
 * Events as columns, a row a line. Texts are words (0: none), numbers doubles (NaN: none). Everything that depends on the
 * batch alone is kept once, with the batch.
 */
export type EventRows = {
  readonly words: Words
  count(): number
  columns(): Columns
  /** Makes room: a line must find it. */
  reserve(rows: number, bytes: number): void
  /**
   * Appends the event on the line that begins at `from` and tells nothing; or tells why it is none, and appends nothing. Of
   * a field that is no column the text is kept as it came. The bytes end with a newline.
   */
  addLine(bytes: Buffer, from: number, batch: number, ordinal: number, service: boolean): string | undefined
  /** The newline of the line given last. */
  lineEnd(): number
  /** What the event appended last has as `m`. */
  lastM(): number
  /** Of the row that was appended last. */
  setAt(at_us: number): void
  /** The hub that the line given last says it is about, be it an event or not; 0 for none. */
  lastHub(): number
  /** Takes back the row that was appended last. */
  dropLast(): void
  /** A field of the row that is no column, by its word; 0 where it is absent or null. */
  moreWord(row: number, field: number): number
  /** The same as a number; undefined where it is none. */
  moreNumber(row: number, field: number): number | undefined
  /** Appends a row that is no event. */
  addRow(row: RowOf): void
  /** Forgets everything; `seed` is of its words. */
  clear(seed: number): void
}

export type RowOf = {
  readonly batch: number
  readonly ordinal: number
  readonly at_us: number
  readonly kind: number
  readonly reason?: number
  readonly text?: number
  readonly hub?: number
  readonly more?: readonly (readonly [key: number, value: number])[]
}

/** The end of the year 9999: a later time cannot be written down. */
export const TIME_MAX_MS = 253_402_300_799_999

const NEWLINE = 0x0a
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Words that have the same id in each list: fields first, from 1. */
export const FIRST_WORDS: readonly string[] = [...EVENT_FIELDS, ...TRANSPORT_KINDS, ...SERVICE_KINDS]
const idOf = (word: string) => FIRST_WORDS.indexOf(word) + 1
const FIELDS_MAX = EVENT_FIELDS.length
const M = idOf('m')
const HUB = idOf('hub')
const KIND = idOf('kind')
const DEVICE = idOf('device')
const ATTRIBUTE = idOf('attribute')
const VALUE = idOf('value')
const TEXT = idOf('text')
const UNIT = idOf('unit')
const COMMAND = idOf('command')
const ISSUED = idOf('issued')
const STAGE = idOf('stage')
const MS = idOf('ms')
const REASON = idOf('reason')
export const BATCH_KIND = idOf('batch')
export const DEAD_KIND = idOf('dead')
const SERVICE_KINDS_FIRST = DEAD_KIND + 1
const isServices = (kind: number) => SERVICE_KINDS_FIRST <= kind && kind < SERVICE_KINDS_FIRST + SERVICE_KINDS.length
export const isTransport = (kind: number) => kind === BATCH_KIND || kind === DEAD_KIND

const NOT_JSON = 'the line is not JSON'

export function openEventRows(): EventRows {
  const words = openWords()
  const of = columnsOf(1 << 12, 1 << 12)
  let count = 0
  let entries = 0
  /** By word: the last line that had it as a name. */
  let named = new Uint32Array(1 << 12)
  let line = 0
  /** Where the hash of a word begins. */
  let start = 0
  /** The word that `word` has found. */
  let found = 0
  let last_hub = 0
  let line_end = 0

  function clear(seed: number): void {
    words.clear(seed)
    start = words.start()
    for (const word of FIRST_WORDS) words.of(word)
    count = 0
    entries = 0
    named.fill(0)
    line = 0
  }
  clear(0)

  function reserve(rows: number, bytes: number): void {
    // `"":0,` is the shortest field; a row that is no event has three.
    growColumns(of, count + rows + 1, entries + Math.ceil(bytes / 5) + 3 * rows)
  }

  /** The word of the string whose opening quote is at `from`, in `found`. */
  function word(bytes: Uint8Array, from: number, end: number): number {
    let hash = start
    for (let at = from + 1; at < end; at++) {
      const byte = bytes[at] as number
      if (byte === QUOTE) {
        found = words.intern(bytes, from + 1, at, hash)
        return at + 1
      }
      if (byte === BACKSLASH) return escapedWord(bytes, from, end)
      if (byte < 0x20) return -1
      hash = Math.imul(hash ^ byte, HASH_PRIME)
    }
    return -1
  }

  function escapedWord(bytes: Uint8Array, from: number, end: number): number {
    const after = skipString(bytes, from, end)
    if (after === -1) return -1
    const plain: unknown = JSON.parse(Buffer.from(bytes.subarray(from, after)).toString('utf8'))
    // Half of a surrogate pair has no form in UTF-8.
    if (typeof plain !== 'string' || !plain.isWellFormed()) return -1
    found = words.of(plain)
    return after
  }

  /** The text of a number. A whole one without a leading zero is looked at once; any other by its grammar first. */
  function numberWord(bytes: Uint8Array, from: number, end: number): number {
    let hash = start
    let at = from
    for (; at < end; at++) {
      const byte = bytes[at] as number
      if (byte < 0x30 || byte > 0x39) break
      hash = Math.imul(hash ^ byte, HASH_PRIME)
    }
    const byte = bytes[at] as number
    const isPlain = at > from && (bytes[from] !== 0x30 || at === from + 1)
    if (!isPlain || byte === 0x2e || byte === 0x65 || byte === 0x45) {
      const after = scanNumber(bytes, from, end)
      if (after !== -1) found = raw(bytes, from, after)
      return after
    }
    found = words.intern(bytes, from, at, hash)
    return at
  }

  /** The bytes as they are. */
  function raw(bytes: Uint8Array, from: number, to: number): number {
    let hash = start
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), HASH_PRIME)
    return words.intern(bytes, from, to, hash)
  }

  /** Any value as a word: a string without its quotes, nothing for null, else its own text. */
  function anyWord(bytes: Uint8Array, from: number, end: number): number | 'too deep' {
    const byte = bytes[from] as number
    if (byte === QUOTE) return word(bytes, from, end)
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return numberWord(bytes, from, end)
    if (byte === 0x7b || byte === 0x5b) {
      const after = skipValue(bytes, from, end, EVENT_DEPTH_MAX - 1)
      if (typeof after === 'number' && after !== -1) found = raw(bytes, from, after)
      return after
    }
    const after = skipName(bytes, from, end)
    if (after !== -1) found = byte === 0x6e ? 0 : raw(bytes, from, after)
    return after
  }

  /** A number into `column`, nothing for null; Infinity for what is no number. */
  function number(bytes: Uint8Array, from: number, end: number, column: Float64Array): number | 'too deep' {
    const byte = bytes[from] as number
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      const after = scanNumber(bytes, from, end)
      column[count] = scanned[0] as number
      return after
    }
    const after = anyWord(bytes, from, end)
    if (byte === 0x6e) return after
    column[count] = Number.POSITIVE_INFINITY
    return after
  }

  function addLine(bytes: Buffer, from: number, batch: number, ordinal: number, service: boolean): string | undefined {
    const why = readLine(bytes, from, bytes.length, batch, ordinal, service)
    if (why !== undefined) line_end = bytes.indexOf(NEWLINE, from)
    return why
  }

  function readLine(
    bytes: Uint8Array,
    from: number,
    end: number,
    batch: number,
    ordinal: number,
    service: boolean,
  ): string | undefined {
    const { kind, hub, device, attribute, text, unit, command, stage, reason, m, value, issued, ms, keys, values } = of
    const row = count
    line++
    last_hub = 0
    kind[row] = hub[row] = device[row] = attribute[row] = text[row] = unit[row] = 0
    command[row] = stage[row] = reason[row] = 0
    m[row] = value[row] = issued[row] = ms[row] = Number.NaN
    let last = entries
    let twice = false
    let at = skipSpace(bytes, from, end)
    if (bytes[at] !== 0x7b || at >= end) return notObject(bytes, at, end)
    at++
    if (bytes[at] !== QUOTE) at = skipSpace(bytes, at, end)
    if (bytes[at] === 0x7d && at < end) at++
    else {
      for (;;) {
        if (at >= end || bytes[at] !== QUOTE) return NOT_JSON
        at = word(bytes, at, end)
        if (at === -1) return NOT_JSON
        const name = found
        if (bytes[at] !== 0x3a) at = skipSpace(bytes, at, end)
        if (at >= end || bytes[at] !== 0x3a) return NOT_JSON
        at++
        let byte = bytes[at] as number
        if (byte <= 0x20) {
          at = skipSpace(bytes, at, end)
          byte = bytes[at] as number
        }
        if (at >= end) return NOT_JSON
        if (name >= named.length) named = grown(named, name + 1)
        if (named[name] === line) twice = true
        named[name] = line
        let after: number | 'too deep'
        if (name > FIELDS_MAX) {
          after = anyWord(bytes, at, end)
          keys[last] = name
          values[last] = found
          last++
        } else {
          switch (name) {
            case M:
              after = number(bytes, at, end, m)
              break
            case ISSUED:
              after = number(bytes, at, end, issued)
              break
            case MS:
              after = number(bytes, at, end, ms)
              break
            case VALUE:
              if (byte === 0x74 || byte === 0x66) {
                after = skipName(bytes, at, end)
                value[row] = byte === 0x74 ? 1 : 0
              } else after = number(bytes, at, end, value)
              break
            default:
              after = anyWord(bytes, at, end)
              if (name === KIND) kind[row] = found
              else if (name === DEVICE) device[row] = found
              else if (name === ATTRIBUTE) attribute[row] = found
              else if (name === TEXT) text[row] = found
              else if (name === UNIT) unit[row] = found
              else if (name === COMMAND) command[row] = found
              else if (name === STAGE) stage[row] = found
              else if (name === REASON) reason[row] = found
              else if (name === HUB) hub[row] = found
          }
        }
        if (after === 'too deep') return `the line is nested deeper than ${EVENT_DEPTH_MAX} levels`
        if (after === -1) return NOT_JSON
        at = after
        byte = bytes[at] as number
        if (byte !== 0x2c && byte !== 0x7d) {
          at = skipSpace(bytes, at, end)
          byte = bytes[at] as number
        }
        if (at >= end) return NOT_JSON
        at++
        if (byte === 0x7d) break
        if (byte !== 0x2c) return NOT_JSON
        if (bytes[at] !== QUOTE) at = skipSpace(bytes, at, end)
      }
    }
    if (bytes[at] !== NEWLINE) at = skipSpace(bytes, at, end)
    if (bytes[at] !== NEWLINE) return NOT_JSON
    line_end = at
    last_hub = hub[row]
    const why = judge(row, service)
    if (why !== undefined) return why
    if (twice) return 'a field is there twice'
    of.batch[row] = batch
    of.ordinal[row] = ordinal
    entries = last
    count = row + 1
    of.more[count] = entries
    return undefined
  }

  /** Why a row is no event. */
  function judge(row: number, service: boolean): string | undefined {
    const { hub, kind, m, value, issued, ms } = of
    const what = kind[row] as number
    if (what === 0) return 'kind is missing'
    if (isTransport(what)) return `kind ${words.text(what)} is made by Hearth alone`
    if (!service && isServices(what)) return `kind ${words.text(what)} is told by services alone`
    const at = m[row] as number
    if (Number.isNaN(at)) return 'm is missing'
    if (at - at !== 0) return 'm is not a number'
    if (isWrong(value[row] as number)) return 'value is neither a number nor true or false: words go into text'
    const time = issued[row] as number
    if (time < 0 || time > TIME_MAX_MS) return 'issued is not a time in ms since 1970'
    if (isWrong(ms[row] as number)) return 'ms is not a number'
    if (service && hub[row] === 0) return 'hub is missing: a service says which hub an event is about'
    return undefined
  }

  function notObject(bytes: Uint8Array, at: number, end: number): string {
    const after = at < end ? skipValue(bytes, at, end, EVENT_DEPTH_MAX) : -1
    if (after === 'too deep') return `the line is nested deeper than ${EVENT_DEPTH_MAX} levels`
    return after !== -1 && bytes[skipSpace(bytes, after, end)] === NEWLINE ? 'the line is no JSON object' : NOT_JSON
  }

  function moreWord(row: number, field: number): number {
    const end = of.more[row + 1] as number
    for (let entry = of.more[row] as number; entry < end; entry++)
      if (of.keys[entry] === field) return of.values[entry] as number
    return 0
  }

  return {
    words,
    count: () => count,
    columns: () => of,
    reserve,
    addLine,
    lineEnd: () => line_end,
    lastM: () => of.m[count - 1] as number,
    setAt(us) {
      of.at[count - 1] = us
    },
    lastHub: () => last_hub,
    moreWord,
    moreNumber(row, field) {
      const word = moreWord(row, field)
      const text = word === 0 ? '' : words.text(word)
      return text === '' || !Number.isFinite(Number(text)) ? undefined : Number(text)
    },
    dropLast() {
      count--
      entries = of.more[count] as number
    },
    addRow(row) {
      of.batch[count] = row.batch
      of.ordinal[count] = row.ordinal
      of.at[count] = row.at_us
      of.kind[count] = row.kind
      of.reason[count] = row.reason ?? 0
      of.text[count] = row.text ?? 0
      of.hub[count] = row.hub ?? 0
      for (const column of [of.device, of.attribute, of.unit, of.command, of.stage]) column[count] = 0
      for (const column of [of.m, of.value, of.issued, of.ms]) column[count] = Number.NaN
      for (const [key, word] of row.more ?? []) {
        of.keys[entries] = key
        of.values[entries] = word
        entries++
      }
      of.more[++count] = entries
    },
    clear,
  }
}

/** Not absent, and not finite. */
function isWrong(value: number): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY
}
