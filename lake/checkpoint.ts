import { z } from 'zod'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { checkpointPath, hintPath, type Log } from './log.ts'
import type { ObjectStore } from './object-store.ts'
import { putOnce } from './put-once.ts'
import type { Snapshot } from './snapshot.ts'

/** Turns a snapshot into a checkpoint's bytes and back: Parquet in a lake, something plainer in the simulator. */
export type CheckpointCodec = {
  encode(snapshot: Snapshot): Promise<Uint8Array>
  /** Raises `corrupt`, and `invalid` for features that are not read; what else it raises says nothing of the bytes. */
  decode(version: number, ...parts: Uint8Array[]): Promise<Snapshot>
}

/** What `_last_checkpoint` says. */
export type LastCheckpoint = { readonly version: number; readonly files: number | undefined }

/** Classic checkpoints, those that are read in one file or several of one table (PROTOCOL.md, "Checkpoints"): where a reader may begin. */
export type Checkpoints = {
  /** The version from which a listing may begin; 0 when `_last_checkpoint` tells none. It may be stale. */
  hint(): Promise<number>
  /** The same with the files that it holds, where that is told. */
  last(): Promise<LastCheckpoint>
  read(version: number): Promise<Snapshot>
  /** Durable when it resolves; one that is there already is as good. Raises `internal`, and what the store raises. */
  write(snapshot: Snapshot): Promise<void>
}

export function openCheckpoints(
  store: ObjectStore,
  prefix: string,
  log: Log,
  codec: CheckpointCodec | undefined,
): Checkpoints {
  // Loaded when first needed: DuckDB's library is large, and the simulator does without.
  const codecOf = async () => codec ?? (await import('./parquet-checkpoint.ts')).parquetCheckpoints

  async function encoded(snapshot: Snapshot): Promise<Uint8Array> {
    try {
      return await (await codecOf()).encode(snapshot)
    } catch (error) {
      const message = `a checkpoint of ${prefix} version ${snapshot.version} could not be made: ${messageOf(error)}`
      throw isProblem(error) ? error : new Problem('internal', message, { cause: error })
    }
  }

  async function partsOf(version: number): Promise<Uint8Array[]> {
    try {
      return [await store.get(checkpointPath(prefix, version))]
    } catch (error) {
      const paths = isProblem(error, 'missing') ? (await log.list(version)).parts.get(version) : undefined
      if (!paths) throw error
      const parts: Uint8Array[] = []
      for (const path of paths) parts.push(await store.get(path))
      return parts
    }
  }

  async function last(): Promise<LastCheckpoint> {
    const found = await hintOf(store, prefix)
    return { version: found?.version ?? 0, files: found?.numOfAddFiles }
  }

  return {
    last,
    hint: async () => (await last()).version,

    async read(version) {
      const path = checkpointPath(prefix, version)
      const parts = await partsOf(version)
      let snapshot: Snapshot
      try {
        snapshot = await (await codecOf()).decode(version, ...parts)
      } catch (error) {
        const kind = isProblem(error) ? error.kind : 'unavailable'
        throw new Problem(kind, `the checkpoint ${path} cannot be read: ${messageOf(error)}`, { cause: error })
      }
      // A checkpoint does not tell when its version was committed; the log entry beside it does.
      const entry = await log.read(version)
      return { ...snapshot, timestamp_ms: entry?.info?.timestamp ?? snapshot.timestamp_ms }
    },

    async write(snapshot) {
      const bytes = await encoded(snapshot)
      await putOnce(store, checkpointPath(prefix, snapshot.version), bytes)
      const hint = {
        version: snapshot.version,
        size: snapshot.files.size + snapshot.removed.size + snapshot.txns.size + 2,
        sizeInBytes: bytes.length,
        numOfAddFiles: snapshot.files.size,
      }
      await store.put(hintPath(prefix), Buffer.from(JSON.stringify(hint)))
    },
  }
}

const hintForm = z.object({ version: z.number().int().min(0), numOfAddFiles: z.number().optional().catch(undefined) })

/** Only a hint: absent or torn, it is as if there were none. */
async function hintOf(store: ObjectStore, prefix: string): Promise<z.infer<typeof hintForm> | undefined> {
  try {
    return hintForm.safeParse(JSON.parse(Buffer.from(await store.get(hintPath(prefix))).toString('utf8'))).data
  } catch (error) {
    if (isProblem(error, 'missing') || error instanceof SyntaxError) return undefined
    throw error
  }
}
