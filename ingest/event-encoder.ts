import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_TABLE } from '../contract/events-table.ts'
import { addOf, dataFileName } from '../lake/data-file.ts'
import { inParallel } from '../lake/in-parallel.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { promotedOf } from '../lake/promoted.ts'
import type { Encoded, Encoder, EncoderBatch, Encoding, EventsShape } from './encoder.ts'
import type { ErasedHub } from './erased-hubs.ts'
import { beginAttempt } from './event-attempt.ts'
import { type EncodedEvents, type EncodingOptions, encodeEvents } from './event-encoding.ts'
import { openEventRows } from './event-rows.ts'
import { ENCODER_GIVEN_BYTES, ENCODER_GIVEN_MAX, ENCODER_PUTS } from './limits.ts'
import { startThread, type Thread } from './thread.ts'

/** What the thread that encodes is asked (event-thread.ts). */
export type EncodingQuestion =
  | { readonly kind: 'begin' }
  | { readonly kind: 'add'; readonly batches: readonly EncoderBatch[] }
  | { readonly kind: 'subjects' }
  | { readonly kind: 'finish'; readonly options: EncodingOptions }

export type EventEncoderOptions = {
  readonly store: ObjectStore
  /** The event log that batches are read from; may change when the log is minted anew. */
  readonly logId: () => string
  readonly buckets: number
  readonly clock: Clock
  readonly random: Random
  /** On the caller's own thread: for the simulator, and where a thread would cost more than it gives. */
  readonly here?: boolean
}

/** Encodes one attempt at a time, here or in a thread. */
type Work = {
  begin(): Promise<void>
  add(batch: EncoderBatch): Promise<void>
  subjects(): Promise<readonly string[]>
  finish(options: EncodingOptions): Promise<EncodedEvents>
  close(): Promise<void>
}

/**
 * Lines to Parquet by code of our own (docs/decisions/029), in a thread of its own. Nothing touches the disk before the
 * files are put. Raises what the store raises, and `internal` when the thread died: the next attempt has a new one.
 */
export async function openEventEncoder(options: EventEncoderOptions): Promise<Encoder> {
  const work = options.here ? workHere(options.buckets) : workInThread(options.buckets)
  return {
    async begin(erasedHub) {
      await work.begin()
      return encodingOf(options, work, erasedHub)
    },
    close: () => work.close(),
  }
}

function encodingOf(
  options: EventEncoderOptions,
  work: Work,
  erasedHub: ((hub: string) => ErasedHub | undefined) | undefined,
): Encoding {
  async function erasedOf(): Promise<ReadonlyMap<string, ErasedHub>> {
    const erased = new Map<string, ErasedHub>()
    if (!erasedHub) return erased
    for (const hub of await work.subjects()) {
      const known = erasedHub(hub)
      if (known) erased.set(hub, known)
    }
    return erased
  }

  return {
    add: (batch) => work.add(batch),
    async finish(shape) {
      const promoted = promotedOf(shape)
      const erased = await erasedOf()
      const encoded = await work.finish({ log_id: options.logId(), promoted, erased })
      return { ...encoded, files: await putFiles(options, encoded, shape) }
    },
    close: () => Promise.resolve(),
  }
}

function putFiles(
  { store, random, clock }: EventEncoderOptions,
  { files }: EncodedEvents,
  shape: EventsShape,
): Promise<Encoded['files']> {
  const columns = [...EVENTS_COLUMNS, ...promotedOf(shape)]
  // Names in the order of the files, whichever is put first.
  const named = files.map((file) => {
    const partitionValues = { event_date: file.date, bucket: String(file.bucket) }
    return { file, partitionValues, name: dataFileName(partitionValues, random) }
  })
  return inParallel(named.length, ENCODER_PUTS, async (i) => {
    const { file, partitionValues, name } = named[i] as (typeof named)[number]
    await store.put(`${EVENTS_TABLE}/${name}`, file.bytes)
    const { rows, written, bytes } = file
    const about = { columns, configuration: shape.configuration, partitionValues, now_ms: clock.now() }
    return { bucket: file.bucket, rows, add: addOf({ ...about, name, size_bytes: bytes.length, rows, written }) }
  })
}

function workHere(buckets: number): Work {
  const rows = openEventRows()
  let attempt = beginAttempt(rows, buckets)
  return {
    async begin() {
      attempt = beginAttempt(rows, buckets)
    },
    add: async (batch) => attempt.add(batch),
    subjects: async () => attempt.subjects(),
    finish: (options) => encodeEvents(attempt, options),
    close: () => Promise.resolve(),
  }
}

function workInThread(buckets: number): Work {
  let thread: Promise<Thread<EncodingQuestion>> | undefined
  /** What it is given next: a message wakes a thread, which takes longer than to read a small batch. */
  let next: EncoderBatch[] = []
  let next_bytes = 0
  /** What it has been given, oldest first, until it is known to have read it. */
  let given: Promise<unknown>[] = []

  const start = () =>
    startThread<EncodingQuestion>(import.meta.url, 'event-thread', 'the encoder of events', { buckets })

  async function ask(question: EncodingQuestion, transfer: ArrayBuffer[] = []): Promise<unknown> {
    thread ??= start()
    try {
      return await (await thread).ask(question, transfer)
    } catch (error) {
      // One that died is replaced at the next attempt, which begins with nothing.
      if (question.kind === 'begin') thread = undefined
      throw error
    }
  }

  function give(): void {
    if (next.length === 0) return
    const buffers = next.map(({ lines }) => lines.buffer)
    const read = ask({ kind: 'add', batches: next }, buffers as ArrayBuffer[])
    // Told when it is awaited: in a later `add`, or in `finish`.
    read.catch(() => undefined)
    given.push(read)
    next = []
    next_bytes = 0
  }

  return {
    async begin() {
      given = []
      next = []
      next_bytes = 0
      await ask({ kind: 'begin' }).catch(() => ask({ kind: 'begin' }))
    },
    async add(batch) {
      // A copy of the lines alone: what they are a part of may be shared, and would be cloned whole.
      const lines = Buffer.allocUnsafeSlow(batch.lines.length)
      batch.lines.copy(lines)
      next.push({ ...batch, lines })
      next_bytes += lines.length
      if (next_bytes < ENCODER_GIVEN_BYTES) return
      give()
      if (given.length > ENCODER_GIVEN_MAX) await given.shift()
    },
    async subjects() {
      give()
      return (await ask({ kind: 'subjects' })) as readonly string[]
    },
    async finish(options) {
      give()
      await Promise.all(given)
      return (await ask({ kind: 'finish', options })) as EncodedEvents
    },
    close: async () => await (await thread?.catch(() => undefined))?.close(),
  }
}
