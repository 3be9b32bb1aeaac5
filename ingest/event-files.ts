import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { Lake } from '../lake/lake.ts'
import type { LocalFile } from '../lake/scan.ts'
import type { Snapshot } from '../lake/snapshot.ts'

/** The data files of the events table where DuckDB can read them: in place, or fetched into the scratch folder. */
export async function eventFiles(
  lake: Lake,
  snapshot: Snapshot,
  scratch_folder: string,
): Promise<readonly LocalFile[]> {
  const files: LocalFile[] = []
  for (const add of snapshot.files.values()) {
    const object = `${EVENTS_TABLE}/${add.path}`
    const path = lake.store.localPath?.(object) ?? join(scratch_folder, `${files.length}.parquet`)
    if (!lake.store.localPath) await writeFile(path, await lake.store.get(object))
    files.push({ add, path })
  }
  return files
}
