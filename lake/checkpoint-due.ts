import type { Commit } from './action.ts'
import type { LastCheckpoint } from './checkpoint.ts'
import { CHECKPOINT_FILES_RATIO, CHECKPOINT_VERSIONS_MAX } from './limits.ts'

/**
 * Is a checkpoint to be written at `version`, one of those that may have one? Making one costs what the table holds, and
 * doing without costs each reader the entries since the last one: they are weighed. `named`: files that these entries add
 * or remove, where that is known. Pure.
 */
export function checkpointDue(version: number, last: LastCheckpoint, named: number | undefined): boolean {
  const versions = version - last.version
  if (versions <= 0) return false
  if (versions >= CHECKPOINT_VERSIONS_MAX || last.files === undefined || named === undefined) return true
  return named * CHECKPOINT_FILES_RATIO >= last.files
}

/** Counts the files that entries name. */
export type NamedFiles = {
  /** Forgets what it knows, and counts from the version before these on. */
  restart(version: number): void
  /** The next commits; those that it has counted are left out. */
  count(commits: readonly Commit[]): void
  /** Files named after one version up to another; undefined when it has not read both. */
  between(after: number, upTo: number): number | undefined
}

export function countNamedFiles(): NamedFiles {
  const totals = new Map<number, number>()
  let total = 0
  return {
    restart(version) {
      totals.clear()
      totals.set(version, total)
    },
    count(commits) {
      for (const { version, adds, removes } of commits) {
        if (totals.has(version)) continue
        total += adds.length + removes.length
        totals.set(version, total)
        const [oldest] = totals.keys()
        if (totals.size > 2 * CHECKPOINT_VERSIONS_MAX && oldest !== undefined) totals.delete(oldest)
      }
    },
    between(after, upTo) {
      const [from, to] = [totals.get(after), totals.get(upTo)]
      return from === undefined || to === undefined ? undefined : to - from
    },
  }
}
