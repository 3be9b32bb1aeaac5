import type { AddFile, Commit, Metadata, RemoveFile } from './action.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * What a commit is for; it decides what it may be rebased over.
 * `ingest` appends rows; `replace` exchanges the files of units of a metric; `compact` moves rows and changes none;
 * `metadata` changes schema or configuration; `floor` is vacuum's mark; `erase` removes a hub: first its mark, then its
 * rows; `retain` removes what is older than a table keeps.
 */
export const COMMIT_KINDS = ['ingest', 'replace', 'compact', 'metadata', 'floor', 'erase', 'retain'] as const
export type CommitKind = (typeof COMMIT_KINDS)[number]

/** The tag of a data file that names the unit of work it stands for; of one unit only one commit may stand. */
export const UNIT_TAG = 'unit'

/** The number that a table keeps for vacuum: its newest floor. */
export const FLOOR_TXN = 'vacuum'

/** The number that a table keeps of the commits that took rows away: by it a writer knows whether its ranges are behind. */
export const REMOVALS_TXN = 'removals'

/** What is to be rebased: planned on a base, while others committed. */
export type Rebased = {
  readonly kind: CommitKind
  /** What it was planned on: read before the first of its files was uploaded. */
  readonly base: { readonly version: number }
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  readonly metadata?: Metadata | undefined
}

/** After it, files that were planned before must not enter: they may hold the erased hub. */
const isMark = (kind: string | undefined) => kind === 'erase'
/** What takes rows away says so in the ranges, on which an ingest commit is planned. */
const changesRanges = (kind: string | undefined) => kind === 'retain' || kind === 'erase'

/**
 * May `mine` be committed after `winner`, which came between its base and the head? Undefined when it may, else the
 * reason. Pure. Fencing by txns is apart (`fencedTxns`), since it stops buckets and not the commit.
 *
 * | mine ↓ after → | adds only    | removes          | metadata, protocol | floor F      | erase    | retain   |
 * |----------------|--------------|------------------|--------------------|--------------|----------|----------|
 * | ingest         | yes          | yes              | rebuild            | if base > F  | rebuild  | rebuild  |
 * | replace        | if no unit of mine | if none of mine | rebuild       | if base > F  | rebuild  | if none of mine |
 * | compact        | yes          | if none of mine  | rebuild            | if base > F  | rebuild  | if none of mine |
 * | erase, retain  | yes          | if none of mine  | rebuild            | if base > F  | rebuild  | if none of mine |
 * | metadata       | yes          | yes              | rebuild            | yes          | yes      | yes      |
 * | floor          | yes          | yes              | yes                | rebuild      | yes      | yes      |
 *
 * An erasure sets its mark first, without files: that is rebased over anything. What comes after it has been filtered, so
 * that rewriting goes on over appends.
 *
 * Below a floor vacuum takes files that no version names for those of a commit that failed (vacuum.ts). A floor that
 * came before the base is lower than it, so that those after the base are all that there is to look at.
 * A winner of another engine has no kind and is judged by its actions alone.
 */
export function conflictOf(mine: Rebased, winner: Commit): string | undefined {
  const at = `version ${winner.version}`
  const kind = winner.info?.hearth?.kind
  const changesSchema = winner.metadata !== undefined || winner.protocol !== undefined
  if (mine.metadata && changesSchema) return `${at} changed the schema or the configuration`
  if (mine.kind === 'floor' && kind === 'floor') return `${at} set a newer floor`
  const floor = winner.txns.find(({ appId }) => appId === FLOOR_TXN)?.version
  if (floor !== undefined && mine.adds.length > 0 && mine.base.version <= floor) {
    return `${at} set the floor ${floor}, and the files were planned on version ${mine.base.version}: they may be deleted`
  }
  if (mine.adds.length > 0 || mine.removes.length > 0) {
    if (changesSchema) return `${at} changed the schema or the configuration`
    if (isMark(kind)) return `${at} is a mark of kind ${kind}: files planned before it are void`
  }
  if (mine.kind === 'ingest' && changesRanges(kind)) return `${at} took rows away, and says so in the ranges`
  const taken = new Set([...winner.removes, ...winner.adds].map(({ path }) => path))
  const gone = mine.removes.find(({ path }) => taken.has(path))
  if (gone) return `${at} touched ${gone.path}, which was to be replaced`
  const again = mine.adds.find(({ path }) => taken.has(path))
  if (again) return `${at} touched ${again.path}, which was to be added`
  if (mine.kind === 'replace') {
    const units = new Set(mine.adds.map(({ tags }) => tags?.[UNIT_TAG]))
    const rival = winner.adds.find(({ tags }) => tags?.[UNIT_TAG] !== undefined && units.has(tags[UNIT_TAG]))
    if (rival) return `${at} put ${rival.path} in the unit ${rival.tags?.[UNIT_TAG]}`
  }
  return undefined
}

export type TxnRequest = { readonly appId: string; readonly expected: number | undefined; readonly next: number }

/** The appIds whose number in the table is not the expected one: those writers were overtaken. Pure. */
export function fencedTxns(txns: readonly TxnRequest[], head: Snapshot): readonly string[] {
  return txns.filter(({ appId, expected }) => head.txns.get(appId) !== expected).map(({ appId }) => appId)
}
