import type { CheckpointCodec } from '../lake/checkpoint.ts'
import type { Snapshot } from '../lake/snapshot.ts'

type Plain = Omit<Snapshot, 'files' | 'txns' | 'removed'> & {
  readonly files: [string, never][]
  readonly txns: [string, number][]
  readonly removed: [string, never][]
}

/** Checkpoints as JSON, in place of Parquet by DuckDB. */
export const plainCheckpoints: CheckpointCodec = {
  async encode(snapshot) {
    const { files, txns, removed, ...rest } = snapshot
    return Buffer.from(JSON.stringify({ ...rest, files: [...files], txns: [...txns], removed: [...removed] }))
  },
  async decode(version, bytes) {
    const { files, txns, removed, ...rest }: Plain = JSON.parse(Buffer.from(bytes).toString())
    return { ...rest, version, files: new Map(files), txns: new Map(txns), removed: new Map(removed) }
  },
}
