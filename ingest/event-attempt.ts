import { bucketOf } from '../contract/bucket.ts'
import { eventTime } from '../contract/event.ts'
import { EVENT_LINE_MAX_BYTES } from '../contract/limits.ts'
import { isId } from '../contract/source.ts'
import type { EncoderBatch } from './encoder.ts'
import { BATCH_KIND, DEAD_KIND, type EventRows } from './event-rows.ts'
import type { BatchValues } from './event-values.ts'
import { DEAD_TEXT_MAX_BYTES } from './limits.ts'

/** The batches of one attempt as rows: of each line one, and one of the batch itself. */
export type EventAttempt = {
  readonly rows: EventRows
  readonly batches: readonly EncoderBatch[]
  /** By batch. */
  readonly values: readonly BatchValues[]
  add(batch: EncoderBatch): void
  /** Hubs that services spoke about. */
  subjects(): readonly string[]
}

const NEWLINE = 0x0a
const NO_LINES = Buffer.alloc(0)
/** Of a line over the limit, so much goes into its row. */
const LONG_LINE_KEPT_BYTES = 1024

type Entry = readonly [key: number, value: number]

/** `rows` is its own while it lasts, and begins empty. `seed`: see `Words`. */
export function beginAttempt(rows: EventRows, buckets: number, seed: number): EventAttempt {
  rows.clear(seed)
  const { words } = rows
  const batches: EncoderBatch[] = []
  const values: BatchValues[] = []
  /** Bucket of each hub that a service spoke about, by its word; -1 for what is no id. */
  const bucketOfWord = new Map<number, number>()
  const named = { listener: words.of('listener'), now: words.of('now'), wall: words.of('wall') }
  const word = (text: string | undefined) => (text === undefined ? 0 : words.of(text))
  const numberWord = (value: number | undefined) => (value === undefined ? 0 : words.of(String(value)))

  function valuesOf(batch: EncoderBatch): BatchValues {
    const { header } = batch
    const said = header ?? batch.claim
    const dropped = header && JSON.stringify({ dropped: header.dropped, previous: header.previous })
    return {
      ...{ bucket: batch.bucket, position: batch.position, service: batch.role === 'service' },
      ...{ received_ms: batch.received_ms, now_ms: header?.now ?? Number.NaN, wall_ms: header?.wall ?? Number.NaN },
      ...{ first: said?.first ?? Number.NaN, count: said?.count ?? Number.NaN },
      ...{ next: header?.next ?? Number.NaN, acked: header?.acked ?? Number.NaN },
      ...{ duplicates: header ? batch.duplicates : Number.NaN, source: words.of(batch.source) },
      ...{ boot: word(said?.boot), stream: word(said?.stream), firmware: word(header?.firmware) },
      ...{ agent: word(header?.agent), dropped: word(dropped), crc: word(header?.crc), dead: 0 },
    }
  }

  function addLines({ lines, take, dead, header }: EncoderBatch, number: number, listener: Entry): void {
    const of = values[number] as BatchValues
    const more = [listener, [named.now, numberWord(header?.now)], [named.wall, numberWord(header?.wall)]] as const
    let ordinal = 0
    let start = 0
    for (const [from, to] of take) {
      for (; ordinal < from; ordinal++) start = lines.indexOf(NEWLINE, start) + 1
      for (; ordinal < to; ordinal++) {
        const why = whyNot(lines, start, number, ordinal, dead)
        const end = rows.lineEnd()
        if (why === undefined) rows.setAt(micros(eventTime(of, rows.lastM(), of.received_ms)))
        else {
          const is_long = end - start > EVENT_LINE_MAX_BYTES
          const text = lines.toString('utf8', start, is_long ? start + LONG_LINE_KEPT_BYTES : end)
          rows.addRow({
            ...{ batch: number, ordinal, at_us: micros(of.received_ms), kind: DEAD_KIND, more },
            ...{ reason: words.of(why), text: words.of(text), hub: of.service ? rows.lastHub() : 0 },
          })
          of.dead++
        }
        start = end + 1
      }
    }
  }

  /** Appends the line as an event, or tells why it is none. */
  function whyNot(
    lines: Buffer,
    from: number,
    batch: number,
    ordinal: number,
    dead: string | undefined,
  ): string | undefined {
    const { service, bucket } = values[batch] as BatchValues
    const why = rows.addLine(lines, from, batch, ordinal, service)
    const hub = rows.lastHub()
    // Of a dead line too: the hub that it is about may be erased.
    const elsewhere = service && hub !== 0 ? whyElsewhere(hub, bucket) : undefined
    const size_bytes = rows.lineEnd() - from
    const isLong = size_bytes > EVENT_LINE_MAX_BYTES
    const long = isLong ? `the line is ${size_bytes} bytes long; the limit is ${EVENT_LINE_MAX_BYTES}` : undefined
    const refused = dead ?? long ?? why ?? elsewhere
    if (why === undefined && refused !== undefined) rows.dropLast()
    return refused
  }

  /** Why a service may not say this of a hub on this stream. */
  function whyElsewhere(hub: number, bucket: number): string | undefined {
    let known = bucketOfWord.get(hub)
    if (known === undefined) {
      const text = words.text(hub)
      known = isId(text) ? bucketOf(text, buckets) : -1
      bucketOfWord.set(hub, known)
    }
    if (known === -1) return 'hub is not an id'
    return known === bucket ? undefined : 'hub belongs to another bucket than the stream'
  }

  return {
    ...{ rows, batches, values },
    add(batch) {
      const number = batches.length
      batches.push({ ...batch, lines: NO_LINES })
      values.push(valuesOf(batch))
      if (batch.erased) return
      const most = batch.take.reduce((sum, [from, to]) => sum + to - from, 1)
      rows.reserve(most, batch.lines.length)
      const listener = [named.listener, words.of(batch.listener)] as const
      if (batch.header) addLines(batch, number, listener)
      rows.addRow({
        ...{ batch: number, ordinal: -1, at_us: micros(batch.received_ms), more: [listener] },
        kind: batch.header ? BATCH_KIND : DEAD_KIND,
        ...(!batch.header && { reason: word(batch.dead), text: words.of(textOf(batch.lines)) }),
      })
    },
    subjects: () => [...bucketOfWord.keys()].map((hub) => words.text(hub)),
  }
}

const micros = (ms: number) => Math.round(ms * 1000)

/** The first bytes of what could not be read; what is no UTF-8 shows as replacement characters. */
function textOf(bytes: Buffer): string {
  return bytes.subarray(0, DEAD_TEXT_MAX_BYTES).toString('utf8').replaceAll('\0', '\ufffd')
}
