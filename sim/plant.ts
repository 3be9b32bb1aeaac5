import type { Encoder } from '../ingest/encoder.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { Table } from '../lake/table.ts'
import type { Disk } from '../link/disk.ts'
import type { CommandCore } from '../relay/command-core.ts'

/**
 * A planted bug: seams of the system replaced by ones that break a promise. They prove that the invariants see what
 * they should; `planted/` holds them, and nothing but tests and the command line of the simulator imports it.
 */
export type Plant = {
  readonly name: string
  /** The promise that it breaks: the invariant of this name sees it. */
  readonly breaks: string
  readonly gatewayLog?: (log: EventLog) => EventLog
  readonly encoder?: (encoder: Encoder) => Encoder
  readonly table?: (table: Table) => Table
  readonly core?: (core: CommandCore) => CommandCore
  readonly hubDisk?: (disk: Disk) => Disk
}
