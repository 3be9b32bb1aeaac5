import { z } from 'zod'
import { bucketOf } from '../contract/bucket.ts'
import type { Random } from '../contract/clock.ts'
import { randomHex } from '../contract/clock.ts'
import { eventTime } from '../contract/event.ts'
import { add, type IntervalSet } from '../contract/interval.ts'
import { batchKey, type Encoded, type Encoder, type EncoderBatch } from '../ingest/encoder.ts'
import type { AddFile } from '../lake/action.ts'
import type { ObjectStore } from '../lake/object-store.ts'

const row = z.object({
  kind: z.string(),
  source: z.string(),
  boot: z.string(),
  stream: z.string(),
  /** −1 for kind `batch`. */
  seq: z.number(),
  /** The log that the position is of. */
  log: z.string(),
  bucket: z.number(),
  position: z.number(),
  ordinal: z.number(),
  hub: z.string(),
  command: z.string().optional(),
  stage: z.string().optional(),
  /** Of a batch that could not be read: the numbers that it uses up. */
  claim: z.tuple([z.number(), z.number()]).optional(),
  /** The line as it came. */
  line: z.string(),
})
/** One row of the simulated events table. */
export type Row = z.infer<typeof row>

const eventLine = z.looseObject({
  m: z.number(),
  kind: z.string(),
  hub: z.string().optional(),
  command: z.string().optional(),
  issued: z.number().optional(),
  stage: z.string().optional(),
})

/** Rows as lines of JSON, in one object a (date, bucket): what DuckDB and Parquet are in production. */
export function rowEncoder(options: {
  readonly store: ObjectStore
  readonly random: Random
  readonly buckets: number
  readonly log: string
}): Encoder {
  const { store, random, buckets, log } = options
  return {
    async begin() {
      const files = new Map<string, { readonly date: string; readonly bucket: number; readonly rows: Row[] }>()
      const through = new Map<number, number>()
      const dead = new Map<string, IntervalSet>()
      const hours = new Set<string>()
      const issued = new Set<string>()
      const put = (time_ms: number, one: Row) => {
        const date = new Date(time_ms).toISOString().slice(0, 10)
        const key = `${date} ${one.bucket}`
        const file = files.get(key) ?? { date, bucket: one.bucket, rows: [] }
        file.rows.push(one)
        files.set(key, file)
      }
      return {
        async add(batch) {
          through.set(batch.bucket, batch.position)
          if (batch.erased) return
          for (const { time_ms, made, issued_ms } of rowsOf(batch, buckets, log)) {
            put(time_ms, made)
            if (made.kind === 'dead') {
              const key = batchKey(batch.bucket, batch.position)
              if (made.ordinal >= 0) dead.set(key, add(dead.get(key) ?? [], made.ordinal, made.ordinal + 1))
            } else if (made.kind !== 'batch') {
              hours.add(`${hourOf(time_ms)} ${batch.bucket}`)
              if (issued_ms !== undefined) issued.add(`${hourOf(issued_ms)} ${batch.bucket}`)
            }
          }
        },
        async finish(): Promise<Encoded> {
          const made: Encoded['files'][number][] = []
          for (const { date, bucket, rows } of files.values()) {
            const path = `event_date=${date}/bucket=${bucket}/${randomHex(random, 8)}.parquet`
            made.push({ bucket, add: await addOf(store, path, rows), rows: rows.length })
          }
          const pairs = (set: ReadonlySet<string>) =>
            [...set].map((text): [number, number] => {
              const [hour = 0, bucket = 0] = text.split(' ').map(Number)
              return [hour, bucket]
            })
          const erased = new Map<string, IntervalSet>()
          return {
            files: made,
            through,
            dead,
            erased,
            enrolled_ms: new Map(),
            touched: { hours: pairs(hours), issued: pairs(issued), registry: [] },
          }
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
    stats: JSON.stringify({ numRecords: rows.length }),
  }
}

/** The rows of a file as `rowEncoder` wrote it. */
export function decodeRows(body: Uint8Array): readonly Row[] {
  return Buffer.from(body)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => row.parse(JSON.parse(line)))
}

function* rowsOf(batch: EncoderBatch, buckets: number, log: string) {
  const { bucket, position, source, header, received_ms } = batch
  const about = { source, boot: header?.boot ?? '', stream: header?.stream ?? '', log, bucket, position }
  const hub = batch.role === 'hub' ? source : ''
  const transport = { ...about, seq: -1, ordinal: -1, hub, line: '' }
  yield { time_ms: received_ms, made: { ...transport, kind: 'batch' }, issued_ms: undefined }
  if (!header) {
    const { claim } = batch
    const span = (first: number, count: number): Row['claim'] => [first, first + count]
    const named = claim && { boot: claim.boot, stream: claim.stream, claim: span(claim.first, claim.count) }
    yield { time_ms: received_ms, made: { ...transport, ...named, kind: 'dead' }, issued_ms: undefined }
    return
  }
  const lines = batch.lines.toString().split('\n')
  for (const [from, to] of batch.take) {
    for (let ordinal = from; ordinal < to; ordinal++) {
      const line = lines[ordinal] ?? ''
      const common = { ...about, seq: header.first + ordinal, ordinal, hub, line }
      const event = eventLine.safeParse(parsed(line)).data
      const subject = batch.role === 'hub' ? source : event?.hub
      if (batch.dead !== undefined || !event || subject === undefined || bucketOf(subject, buckets) !== bucket) {
        yield { time_ms: received_ms, made: { ...common, kind: 'dead' }, issued_ms: undefined }
        continue
      }
      const clocks = { now_ms: header.now ?? Number.NaN, wall_ms: header.wall }
      const time_ms = eventTime(clocks, event.m, received_ms)
      const { kind, command, stage } = event
      const made = {
        ...common,
        kind,
        hub: subject,
        ...(command === undefined ? {} : { command }),
        ...(stage === undefined ? {} : { stage }),
      }
      yield { time_ms, made, issued_ms: event.issued }
    }
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function hourOf(time_ms: number): number {
  return Math.floor(time_ms / 3_600_000) * 3_600_000
}
