import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { HeldTable, LocalFiles } from '../lake/local-files.ts'
import type { Snapshot } from '../lake/snapshot.ts'

/** The data files of the events table where DuckDB can read them, until they are released. */
export function eventFiles(local: LocalFiles, snapshot: Snapshot): Promise<HeldTable> {
  return local.hold(EVENTS_TABLE, [...snapshot.files.values()])
}
