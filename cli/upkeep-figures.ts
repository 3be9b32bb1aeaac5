import { Counter, Gauge, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import { PARTITION_FILES_MAX } from '../lake/limits.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { shapeOf } from '../lake/table-shape.ts'
import { UPKEEP_TASKS, type UpkeepTask } from './upkeep-schedule.ts'

export type UpkeepFigures = {
  ended(task: UpkeepTask, outcome: 'done' | 'failed'): void
  joined(files: number, bytes: number): void
  deleted(objects: number, bytes: number): void
  /** A table as compaction found it. */
  looked(table: string, snapshot: Snapshot): void
  /** Another scheduler looks at the tables: what this one found is old. */
  lookedElsewhere(): void
}

export function upkeepFigures(metrics: Registry, clock: Clock): UpkeepFigures {
  const registers = [metrics]
  const runs = new Counter({
    ...{ name: 'hearth_upkeep_runs_total', help: 'Runs of a task of upkeep: compact, vacuum, clean-log.', registers },
    labelNames: ['task', 'outcome'] as const,
  })
  // A figure that is not there cannot be compared with.
  for (const task of UPKEEP_TASKS) for (const outcome of ['done', 'failed']) runs.inc({ task, outcome }, 0)
  const success = new Gauge({
    ...{ name: 'hearth_upkeep_last_success_timestamp_seconds', help: 'When a task was last done.', registers },
    labelNames: ['task'] as const,
  })
  const joined = new Counter({ name: 'hearth_upkeep_joined_files_total', help: 'Files that were joined.', registers })
  const joinedBytes = new Counter({ name: 'hearth_upkeep_joined_bytes_total', help: 'Their bytes.', registers })
  const deleted = new Counter({ name: 'hearth_upkeep_deleted_objects_total', help: 'Objects deleted.', registers })
  const deletedBytes = new Counter({ name: 'hearth_upkeep_deleted_bytes_total', help: 'Their bytes.', registers })
  const files = new Gauge({
    ...{ name: 'hearth_lake_live_files', help: 'Data files of the newest version of a table.', registers },
    labelNames: ['table'] as const,
  })
  const fullest = new Gauge({
    ...{ name: 'hearth_lake_partition_small_files', registers, labelNames: ['table'] as const },
    help: `Small files of the partition that has most of them; past ${PARTITION_FILES_MAX} compaction does not keep up.`,
  })
  return {
    ended(task, outcome) {
      runs.inc({ task, outcome })
      if (outcome === 'done') success.set({ task }, clock.now() / 1000)
    },
    joined(count, bytes) {
      joined.inc(count)
      joinedBytes.inc(bytes)
    },
    deleted(count, bytes) {
      deleted.inc(count)
      deletedBytes.inc(bytes)
    },
    looked(table, snapshot) {
      files.set({ table }, snapshot.files.size)
      fullest.set({ table }, shapeOf(snapshot).fullest_partition)
    },
    lookedElsewhere() {
      files.reset()
      fullest.reset()
    },
  }
}
