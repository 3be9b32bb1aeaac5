import type { AddFile, PartitionValues, Tags } from './action.ts'
import { UNIT_TAG } from './conflict.ts'
import {
  COMPACT_AFTER_MS,
  COMPACT_FILE_MAX_BYTES,
  COMPACT_FILE_MIN_BYTES,
  COMPACT_FILES_MAX,
  COMPACT_TIER_RATIO,
  PARTITION_FILES_DUE,
  TABLE_FILES_DUE,
} from './limits.ts'
import type { Snapshot } from './snapshot.ts'

/** The tag of a file of a closed day that compaction made: by it a day is joined as a whole once, and not again. */
export const JOINED_TAG = 'joined'

const DAY_MS = 86_400_000

export type CompactionPolicy = {
  readonly now_ms: number
  /** A day is closed so long after its end. */
  readonly closed_after_ms: number
  /** COMPACT_AFTER_MS unless given. */
  readonly join_after_ms?: number | undefined
}

/** Files of one partition that become one file, in one commit. */
export type CompactionGroup = {
  readonly files: readonly AddFile[]
  /** Of the file that they become. */
  readonly tags: Tags
  readonly why: 'an hour is over' | 'there are many' | 'the day is closed'
}

/**
 * Which files are to be joined, those of the fullest partitions first. Pure.
 *
 * Of a partition, files below COMPACT_FILE_MIN_BYTES are put in order of size and cut into runs in which none is more
 * than COMPACT_TIER_RATIO times as large as those before it together; a run of two and more is joined once its oldest
 * file is an hour old, or once there are PARTITION_FILES_DUE. So each byte is rewritten a few times at most, and what is
 * left of a partition grows by more than that ratio from file to file: six, from 16 KiB on, beside the whole ones. A day
 * that is closed, and to which nothing came for an hour, is joined as a whole, once; what comes late is joined in runs again.
 * Files that stand for a unit of work are not touched: the ledger of a metric is in their tags.
 */
export function compactionPlan(snapshot: Snapshot, policy: CompactionPolicy): readonly CompactionGroup[] {
  const day = snapshot.columns.find(({ name, type }) => type === 'date' && snapshot.partition.includes(name))?.name
  const crowded = snapshot.files.size >= TABLE_FILES_DUE
  const old_ms = policy.now_ms - (policy.join_after_ms ?? COMPACT_AFTER_MS)
  const groups: CompactionGroup[] = []
  for (const files of partitionsOf(snapshot)) {
    const date = day && files[0]?.partitionValues[day]
    const closed = date ? Date.parse(date) + DAY_MS + policy.closed_after_ms <= policy.now_ms : false
    const youngest_ms = Math.max(...files.map(({ modificationTime }) => modificationTime))
    const small = files.filter(({ size }) => size < COMPACT_FILE_MIN_BYTES)
    const joined = files.filter(({ tags }) => tags?.[JOINED_TAG])
    if (closed && youngest_ms <= old_ms && joined.length === 0) {
      const tags = { ...files[0]?.tags, [JOINED_TAG]: 'day' }
      const runs = runsOf(small.toSorted(byAge), Number.POSITIVE_INFINITY)
      groups.push(...runs.map((run) => ({ files: run, tags, why: 'the day is closed' as const })))
      continue
    }
    const many = crowded || small.length >= PARTITION_FILES_DUE
    for (const run of runsOf(small.toSorted(bySize), COMPACT_TIER_RATIO)) {
      const oldest_ms = Math.min(...run.map(({ modificationTime }) => modificationTime))
      if (!many && oldest_ms > old_ms) continue
      const tags = (run.find((file) => joined.includes(file)) ?? run[0])?.tags ?? {}
      groups.push({ files: run, tags, why: many ? 'there are many' : 'an hour is over' })
    }
  }
  return groups.sort((a, b) => b.files.length - a.files.length)
}

/** Files without a unit by their partition values and their tags, which a join keeps. */
function partitionsOf({ files }: Snapshot): readonly (readonly AddFile[])[] {
  const partitions = new Map<string, AddFile[]>()
  for (const file of files.values()) {
    const { [UNIT_TAG]: unit, [JOINED_TAG]: _, ...tags } = file.tags ?? {}
    if (unit !== undefined) continue
    const key = JSON.stringify([inOrder(file.partitionValues), inOrder(tags)])
    const known = partitions.get(key)
    if (known) known.push(file)
    else partitions.set(key, [file])
  }
  return [...partitions.values()]
}

/** Cuts files into runs of at most COMPACT_FILE_MAX_BYTES and COMPACT_FILES_MAX; those of one file are left out. */
function runsOf(files: readonly AddFile[], ratio: number): readonly (readonly AddFile[])[] {
  const runs: AddFile[][] = []
  let bytes = 0
  for (const file of files) {
    const run = runs.at(-1)
    const fits = bytes + file.size <= COMPACT_FILE_MAX_BYTES && (run?.length ?? 0) < COMPACT_FILES_MAX
    if (run && fits && file.size <= ratio * bytes) run.push(file)
    else {
      runs.push([file])
      bytes = 0
    }
    bytes += file.size
  }
  return runs.filter((run) => run.length > 1)
}

const inOrder = (values: PartitionValues) => Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
const byAge = (a: AddFile, b: AddFile) => a.modificationTime - b.modificationTime
const bySize = (a: AddFile, b: AddFile) => a.size - b.size
