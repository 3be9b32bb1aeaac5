import type { Executor } from '../hub-agent/executor.ts'
import type { Encoder } from '../ingest/encoder.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { Benches } from '../jobs/bench.ts'
import type { CheckpointCodec } from '../lake/checkpoint.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import type { Disk } from '../link/disk.ts'
import type { Cluster } from '../relay/cluster.ts'
import type { CommandCore, HubLink, Ledger } from '../relay/command-core.ts'
import type { Directory } from '../relay/directory.ts'
import type { MemoryDirectory } from '../relay/memory-directory.ts'
import type { Peers } from '../relay/peers.ts'
import type { Committer } from './sim-store.ts'
import type { Life } from './world.ts'

/**
 * A planted bug: seams of the system replaced by ones that break a promise. They prove that the invariants see what
 * they should; `planted/` holds them, and nothing but tests and the command line of the simulator imports it.
 */
export type Plant = {
  readonly name: string
  /** The promise that it breaks: the invariant of this name sees it. */
  readonly breaks: string
  /** `who` opens it: `gateway-1`, `writer-2`, `operator`; `shared` is one and the same for all of a run. */
  readonly log?: (log: EventLog, who: string, shared: Map<string, number>) => EventLog
  readonly encoder?: (encoder: Encoder) => Encoder
  /** As each process of the data plane sees it. */
  readonly table?: (table: Table, store: ObjectStore, committer: Committer) => Table
  readonly store?: (store: ObjectStore) => ObjectStore
  readonly checkpoints?: (codec: CheckpointCodec) => CheckpointCodec
  readonly benches?: (benches: Benches) => Benches
  readonly core?: (core: CommandCore) => CommandCore
  readonly hubDisk?: (disk: Disk) => Disk
  /** It is of the world of several relays (relays.ts), and planted in no other. */
  readonly among_relays?: true
  readonly executor?: (executor: Executor) => Executor
  /** A relay's way to its hubs. */
  readonly link?: (link: HubLink) => HubLink
  readonly ledger?: (ledger: Ledger, life: Life) => Ledger
  readonly cluster?: (cluster: Cluster, core: CommandCore) => Cluster
  readonly peers?: (peers: Peers) => Peers
  readonly directory?: (directory: Directory, shared: MemoryDirectory) => Directory
  /** How long a link between relays says that a command was on its way, ms. */
  readonly way?: (way_ms: number) => number
}
