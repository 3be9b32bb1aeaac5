import type { Figure } from './figure.ts'

/** A benchmark: what it measures, and how many interleaved rounds it takes unless told otherwise. */
export type Benchmark = {
  readonly name: string
  readonly description: string
  readonly rounds: number
  run(options: BenchmarkOptions): Promise<Findings>
}

export type BenchmarkOptions = {
  readonly rounds: number
  readonly seed: number
  /** Its own and empty; removed afterwards. */
  readonly folder: string
  /** Only this workload, where a benchmark has several. */
  readonly workload: string | undefined
  /** So many events, where a benchmark's length is a choice. */
  readonly events?: number | undefined
  /** So long, where a benchmark watches something that goes on. */
  readonly minutes?: number | undefined
  /** What stands between gateway and writer, and where the lake is, in place of what is embedded. */
  readonly log: 'kafka' | undefined
  readonly store: 's3' | undefined
  /** A folder for CPU profiles of the processes under test, where they are asked for. */
  readonly profile: string | undefined
  /** Progress, a line at a time. */
  note(line: string): void
}

/** What was sent, so that a figure can be told from another's and made again. */
export type WorkloadFacts = {
  readonly name: string
  readonly seed: number
  readonly sources: number
  readonly events_a_batch: number
  readonly batches: number
  readonly events: number
  readonly malformed: number
  readonly plain_bytes: number
  readonly bytes_a_line: number
  /** What zstd level 3 makes of the plain bytes: must lie between 6 and 12. */
  readonly zstd3_ratio: number
  /** Of the events that were sent … */
  readonly checksum_sent: string
  /** … and of those that were found in the end, round by round where there are several. */
  readonly checksums_found: readonly string[]
}

export type Findings = {
  readonly workloads: readonly WorkloadFacts[]
  /** Everything that was measured, a round after the other: plain data. */
  readonly rounds: readonly unknown[]
  readonly figures: readonly Figure[]
  /** What was compared with what, and what differs between them. */
  readonly notes: readonly string[]
  /** An SVG, where a plot says more than figures. */
  readonly plot?: string
  /** Why the figures mean nothing: something that was sent was not found, or found differently. */
  readonly faults: readonly string[]
}
