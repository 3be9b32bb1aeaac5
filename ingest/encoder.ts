import type { BatchHeader } from '../contract/batch.ts'
import type { IntervalSet } from '../contract/interval.ts'
import type { Touched } from '../contract/touched.ts'
import type { AddFile } from '../lake/action.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { ErasedHub } from './erased-hubs.ts'

/** One batch as the writer hands it over to be turned into rows. */
export type EncoderBatch = {
  readonly bucket: number
  readonly position: number
  readonly source: string
  readonly role: 'hub' | 'service'
  readonly listener: string
  readonly received_ms: number
  /** Absent for a batch that could not be read as a whole. */
  readonly header: BatchHeader | undefined
  /** What such a batch says of itself all the same, where that can be read and its source may say it. */
  readonly claim?: Pick<BatchHeader, 'boot' | 'stream' | 'first' | 'count'>
  /** Event lines as they came, each with its newline. */
  readonly lines: Buffer
  /** Ordinals (from 0) of the lines that are new. */
  readonly take: IntervalSet
  /** Lines that were received before. */
  readonly duplicates: number
  /** Set when nothing of it can be stored: why. Without a header the batch becomes one row, else each taken line. */
  readonly dead: string | undefined
  /** Of an erased hub: it counts as taken from the log, and nothing of it is stored. */
  readonly erased?: boolean
}

/** What of the events table decides what its files are like. */
export type EventsShape = Pick<Snapshot, 'columns' | 'configuration'>

/** A data file, and the bucket whose rows it holds. */
export type EncodedFile = { readonly bucket: number; readonly add: AddFile; readonly rows: number }

export type Encoded = {
  readonly files: readonly EncodedFile[]
  /** By bucket: position of the last batch that is in the files. A bucket may end early, at the limit of dates. */
  readonly through: ReadonlyMap<number, number>
  /** By `<bucket> <position>`: ordinals of the lines that became rows of kind `dead`. */
  readonly dead: ReadonlyMap<string, IntervalSet>
  /** By `<bucket> <position>`: ordinals of lines of services about erased hubs, which became no rows. */
  readonly erased: ReadonlyMap<string, IntervalSet>
  /** Of erased hubs that the registry tells to be enrolled anew: since when, ms since 1970. */
  readonly enrolled_ms: ReadonlyMap<string, number>
  readonly touched: Touched
}

/** Turns the batches of one attempt into data files of the events table. */
export type Encoding = {
  /** In the order of the positions of each bucket. */
  add(batch: EncoderBatch): Promise<void>
  /** Makes the files as the table has its columns, and uploads them. Of the same batches it makes the same rows. */
  finish(shape: EventsShape): Promise<Encoded>
  /** Lets go of everything; after `finish` too. */
  close(): Promise<void>
}

/** In production event-encoder.ts; the simulator brings a plainer one. */
export type Encoder = {
  /** `erasedHub`, where any hub was erased: what is known of a hub that was. */
  begin(erasedHub?: (hub: string) => ErasedHub | undefined): Promise<Encoding>
  close(): Promise<void>
}

export function batchKey(bucket: number, position: number): string {
  return `${bucket} ${position}`
}
