import { parseBoot } from '../contract/source.ts'
import type { TxnRequest } from '../lake/conflict.ts'
import type { Snapshot } from '../lake/snapshot.ts'

/**
 * What the events table knows of an erased hub: by the key of its id, never by its name (ranges-form.ts). Its own events
 * are not stored up to a generation of its enrolment; what services tell of it, up to when it was enrolled anew.
 */
export type ErasedHub = { readonly generation: number; readonly since_ms: number | undefined }

/** By source key. */
export type ErasedHubs = ReadonlyMap<string, ErasedHub>

const MARK = 'erase:'
const SINCE = 'erase-since:'

/** The marks of a snapshot of the events table. They are its numbers, so that they outlive the log. */
export function erasedHubs({ txns }: Pick<Snapshot, 'txns'>): ErasedHubs {
  const erased = new Map<string, ErasedHub>()
  for (const [appId, generation] of txns) {
    if (!appId.startsWith(MARK)) continue
    const key = appId.slice(MARK.length)
    // A later mark puts 0 where a time stood.
    erased.set(key, { generation, since_ms: txns.get(SINCE + key) || undefined })
  }
  return erased
}

/** Puts the mark. What was known of an enrolment before it is over. */
export function markTxns({ txns }: Pick<Snapshot, 'txns'>, key: string, generation: number): readonly TxnRequest[] {
  const since = txns.get(SINCE + key)
  return [
    { appId: MARK + key, expected: txns.get(MARK + key), next: generation },
    ...(since === undefined ? [] : [{ appId: SINCE + key, expected: since, next: 0 }]),
  ]
}

/** Keeps from when on services' events of hubs that were enrolled anew are stored again. */
export function sinceTxns(
  { txns }: Pick<Snapshot, 'txns'>,
  enrolled_ms: ReadonlyMap<string, number>,
): readonly TxnRequest[] {
  return [...enrolled_ms]
    .filter(([key]) => !txns.get(SINCE + key))
    .map(([key, ms]) => ({ appId: SINCE + key, expected: txns.get(SINCE + key), next: ms }))
}

/** Is a boot of the hub one of those that were erased? */
export function isErasedBoot(hub: ErasedHub | undefined, boot: string): boolean {
  return hub !== undefined && parseBoot(boot).generation <= hub.generation
}
