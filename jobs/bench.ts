import type { Problem } from '../contract/problem.ts'
import type { AddFile, Tags } from '../lake/action.ts'
import type { Task } from './calculate.ts'
import { HASH_DIGITS } from './hour-tags.ts'
import type { Metric } from './metric.ts'
import type { Unit } from './plan.ts'
import type { Step } from './step.ts'

/** What stands of one unit after its calculation. */
export type UnitHash = { readonly rows: string; readonly out: string; readonly count: number }

const EMPTY_HASH = '0'.repeat(HASH_DIGITS)

/** Of a unit without rows. */
export function emptyHash(metric: Metric): UnitHash {
  return { rows: EMPTY_HASH, out: metric.carry ? EMPTY_HASH : '', count: 0 }
}

/** The result of one day of one metric while it is made, hour by hour. */
export type Result = {
  /** Calculates the units of a step into the result, in place of what stood there. */
  calculate(step: Step): Promise<void>
  /** By unit with rows: hashes of its rows and of what it carries on; equal rows hash alike whatever their order. */
  hashes(step: Step): Promise<ReadonlyMap<string, UnitHash>>
  /** Raises `corrupt`, naming the first bad rows, when a calculated row breaks a check or a key stands twice. */
  check(): Promise<void>
}

/** A day of which units are to be made. */
export type BenchDay = {
  readonly task: Task
  readonly day_ms: number
  /** Those that are due before anything follows from them. */
  readonly units: readonly Unit[]
  /** What this task has made of the day before: files that are not in the table yet. */
  readonly yesterday: readonly AddFile[]
}

/** What reads the tables of a task and writes what is made of them, a day at a time. */
export type Bench = {
  /** With the rows that stand of the day, and those of the hour before it for a metric that carries. */
  open(): Promise<Result & { write(bucket: number, tags: Tags): Promise<AddFile> }>
  /** What is wrong with the first file that it read and that cannot be read. */
  damage(): Promise<Problem | undefined>
  [Symbol.asyncDispose](): Promise<void>
}

/** An engine and the files that it reads, for as long as it is not disposed of. */
export type Benches = {
  of(day: BenchDay, signal: AbortSignal | undefined): Bench
  [Symbol.asyncDispose](): Promise<void>
}
