import type { TableLook, VersionLook } from '../lake-api.ts'
import type { LakeLook } from '../lake-look.ts'
import { SIZE_BINS } from '../size-bins.ts'

const HOUR_MS = 3_600_000
const MB = 1_000_000

/** For tests only: the tables of a lake as their logs would tell, by arithmetic. */
export function sampleLook(now_ms: number, empty: boolean): LakeLook {
  const nothing = { looked_versions: 1, compacted_ms: null, vacuumed_ms: null, floor: null }
  const made = { version: 0, committed_ms: now_ms - HOUR_MS, rows: 0, bytes: 0, files: 0, small_files: 0 }
  const sizes = [...SIZE_BINS, 0].map(() => 0)
  const blank = (name: string): TableLook => {
    return { name, ...made, fullest_partition: 0, sizes, upkeep: nothing, buckets: [] }
  }
  const buckets = [0, 1, 2, 3].map((bucket) => ({
    ...{ bucket, rows: 5_211_004 + bucket * 81_377, bytes: 101 * MB + bucket * 1_730_112, files: 61 + bucket },
    newest_ms: now_ms - 4_000 - bucket * 1_700,
  }))
  if (empty) {
    const idle = buckets.map(({ bucket }) => ({ bucket, rows: 0, bytes: 0, files: 0, newest_ms: null }))
    return { tables: async () => [{ ...blank('events'), buckets: idle }], versions: async () => [versionAt(0, now_ms)] }
  }
  const metric = (name: string, rows: number): TableLook => ({
    ...{ ...blank(name), version: 240, committed_ms: now_ms - 41_000, rows, bytes: rows * 19, files: 960 },
    sizes: sizes.map((_, index) => (index === 0 ? 955 : index === 1 ? 5 : 0)),
    upkeep: { ...nothing, looked_versions: 60 },
  })
  const events: TableLook = {
    ...{ name: 'events', version: 4_812, committed_ms: now_ms - 3_200, rows: 21_332_278, bytes: 414 * MB, files: 250 },
    ...{ small_files: 214, fullest_partition: 41, sizes: [88, 64, 31, 19, 12, 36, 0, 0], buckets },
    upkeep: {
      ...{ looked_versions: 60, compacted_ms: now_ms - 1_100_000, vacuumed_ms: now_ms - 3 * HOUR_MS, floor: 1_204 },
    },
  }
  const lost: TableLook = {
    ...blank('losses'),
    version: 1,
    rows: 3,
    bytes: 2_112,
    files: 1,
    sizes: [1, ...sizes.slice(1)],
  }
  return {
    tables: async () => [events, metric('fleet_hours', 1_204), metric('hub_hours', 6_000), metric('hubs', 25), lost],
    versions: async (_table, limit) =>
      Array.from({ length: Math.min(limit, 240) }, (_, index) =>
        versionAt(4_812 - index, now_ms - 3_200 - index * 5_013),
      ),
  }
}

function versionAt(version: number, time_ms: number): VersionLook {
  const none = { version, time_ms, added: 0, removed: 0, rows: 0, bytes: 0, batches: null, duplicates: null }
  if (version === 0) return { ...none, kind: 'metadata' }
  if (version % 40 === 31) return { ...none, kind: 'compact', added: 1, removed: 38, rows: 190_411, bytes: 3_811_204 }
  if (version % 61 === 13) return { ...none, kind: 'floor' }
  const batches = 24 + (version % 7)
  return {
    ...{ ...none, kind: 'ingest', added: 4, rows: batches * 61, bytes: batches * 2_204, batches },
    duplicates: version % 9 === 0 ? 61 : 0,
  }
}
