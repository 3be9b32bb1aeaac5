import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_TABLE } from '../contract/events-table.ts'
import { assert, messageOf, Problem } from '../contract/problem.ts'
import { addOf, dataFileName } from '../lake/data-file.ts'
import { inParallel } from '../lake/in-parallel.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { promotedOf } from '../lake/promoted.ts'
import type { Encoded, Encoder, EncoderBatch, Encoding, EventsShape } from './encoder.ts'
import type { ErasedHub } from './erased-hubs.ts'
import { beginAttempt } from './event-attempt.ts'
import { type EncodedEvents, type EncodingOptions, openEventEncoding } from './event-encoding.ts'
import { openEventRows } from './event-rows.ts'
import { ENCODER_GIVEN_BYTES, ENCODER_GIVEN_MAX, ENCODER_PUTS } from './limits.ts'
import { startThread, type Thread } from './thread.ts'

/** What the thread that encodes is asked (event-thread.ts). */
export type EncodingQuestion =
  | { readonly kind: 'begin'; readonly seed: number }
  | { readonly kind: 'add'; readonly batches: readonly EncoderBatch[] }
  | { readonly kind: 'subjects' }
  | { readonly kind: 'finish'; readonly options: EncodingOptions }
  | { readonly kind: 'end' }

export type EventEncoderOptions = {
  readonly store: ObjectStore
  /** The event log that batches are read from; may change when the log is minted anew. */
  readonly logId: () => string
  readonly buckets: number
  readonly clock: Clock
  readonly random: Random
  /** On the caller's own thread: where another would cost more than it gives. */
  readonly here?: boolean
  /** Starts the thread that encodes; that of event-thread.ts unless given. */
  start?(): Promise<Thread<EncodingQuestion>>
}

/** The thread of event-thread.ts. */
export function startEncoding(buckets: number): Promise<Thread<EncodingQuestion>> {
  return startThread<EncodingQuestion>(import.meta.url, 'event-thread', 'the encoder of events', { buckets })
}

/** Encodes one attempt at a time, here or in a thread. */
type Work = {
  begin(seed: number): Promise<void>
  add(batch: EncoderBatch): Promise<void>
  subjects(): Promise<readonly string[]>
  finish(options: EncodingOptions): Promise<EncodedEvents>
  /** Lets go of the attempt. */
  end(): Promise<void>
  close(): Promise<void>
}

/**
 * Lines to Parquet by code of our own (docs/decisions/029), in a thread of its own. Nothing touches the disk before the
 * files are put. Raises what the store raises, and `unavailable` when the thread died, of too little memory above all: the
 * next attempt has a new one.
 */
export function openEventEncoder(options: EventEncoderOptions): Encoder {
  const work = options.here ? workHere(options) : workInThread(options)
  return {
    async begin(erasedHub) {
      await work.begin(Buffer.from(options.random.bytes(4)).readInt32LE())
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
    close: () => work.end(),
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

function workHere({ buckets }: EventEncoderOptions): Work {
  const rows = openEventRows()
  const encode = openEventEncoding()
  let attempt = beginAttempt(rows, buckets, 0)
  const begin = async (seed: number) => {
    attempt = beginAttempt(rows, buckets, seed)
  }
  return {
    begin,
    add: async (batch) => attempt.add(batch),
    subjects: async () => attempt.subjects(),
    finish: (options) => encode(attempt, options),
    end: () => begin(0),
    close: () => Promise.resolve(),
  }
}

/**
 * Batches that the thread is given together, since a message wakes it, which takes longer than to read a small batch. Their
 * lines are copied, one after the other, into memory that the thread sees too.
 */
type Parcel = { readonly batches: EncoderBatch[]; readonly memory: Buffer; used: number }

function workInThread({ buckets, start }: EventEncoderOptions): Work {
  let thread: Thread<EncodingQuestion> | undefined
  let next: Parcel | undefined
  /** What it has been given, oldest first, until it is known to have read it; then the memory is used again. */
  let given: Promise<unknown>[] = []
  const free: Buffer[] = []

  async function ask(question: EncodingQuestion): Promise<unknown> {
    assert(thread, 'an attempt is begun first')
    try {
      return await thread.ask(question)
    } catch (cause) {
      if (!thread.ended()) throw cause
      const message = `events could not be encoded: ${messageOf(cause)}`
      throw new Problem('unavailable', message, { outcome: 'did-not-happen', cause })
    }
  }

  function give(): void {
    if (!next) return
    const { batches, memory } = next
    next = undefined
    const read = ask({ kind: 'add', batches })
    // A failure is told when it is awaited: in a later `add`, or in `finish`.
    read.then(
      () => void (memory.length === ENCODER_GIVEN_BYTES && free.push(memory)),
      () => undefined,
    )
    given.push(read)
  }

  function parcelFor(bytes: number): Parcel {
    const memory = bytes > ENCODER_GIVEN_BYTES ? sharedMemory(bytes) : (free.pop() ?? sharedMemory(ENCODER_GIVEN_BYTES))
    return { batches: [], memory, used: 0 }
  }

  return {
    async begin(seed) {
      given = []
      next = undefined
      if (!thread || thread.ended()) thread = await (start?.() ?? startEncoding(buckets))
      await ask({ kind: 'begin', seed })
    },
    async add(batch) {
      const { length } = batch.lines
      if (next && next.used + length > next.memory.length) give()
      next ??= parcelFor(length)
      const lines = next.memory.subarray(next.used, next.used + length)
      batch.lines.copy(lines)
      next.batches.push({ ...batch, lines })
      next.used += length
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
    async end() {
      if (thread && !thread.ended()) await ask({ kind: 'end' })
    },
    close: async () => await thread?.close(),
  }
}

function sharedMemory(length: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(length))
}
