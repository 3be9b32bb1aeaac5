import { type Clock, sleep } from '../contract/clock.ts'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { AddFile, Commit, Metadata, RemoveFile } from './action.ts'
import { type CommitKind, conflictOf, fencedTxns, type TxnRequest } from './conflict.ts'
import { COMMIT_ATTEMPTS_MAX, UNANSWERED_PUTS_MAX } from './limits.ts'
import type { Log } from './log.ts'
import { checkWritable } from './protocol.ts'
import type { Snapshot } from './snapshot.ts'

export type CommitRequest = {
  /** One id through all attempts and rebases; how a commit knows itself when an answer was lost. */
  readonly id: string
  readonly kind: CommitKind
  /** What it was planned on. */
  readonly base: Snapshot
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  /** Compare-and-set: the table's number for `appId` must be `expected`, and becomes `next`. */
  readonly txns: readonly TxnRequest[]
  /** Becomes `commitInfo.hearth`, beside id and kind. */
  readonly info: Readonly<Record<string, unknown>>
  readonly metadata?: Metadata | undefined
  readonly signal?: AbortSignal | undefined
}

export type CommitOutcome =
  /** `attempts`: entries that were put until one was its own. `rebased`: versions of others since its base. */
  | {
      readonly kind: 'committed'
      readonly version: number
      readonly snapshot: Snapshot
      readonly attempts: number
      readonly rebased: number
    }
  /** Nothing was committed: the table stands elsewhere for these appIds. */
  | { readonly kind: 'fenced'; readonly appIds: readonly string[] }
  /** Nothing was committed: plan anew from a fresh snapshot. */
  | { readonly kind: 'conflict'; readonly reason: string }

/** What the loop needs of a table: its newest version, and what was committed in between. */
export type CommitTarget = {
  readonly log: Log
  readonly clock: Clock
  refresh(): Promise<Snapshot>
  /** Is a version that was read still in the log, and no clean-up past it? */
  stands(known: Snapshot): Promise<boolean>
  /** The commits of (after, upTo]; undefined when one of them is no longer there. */
  between(after: number, upTo: number): Promise<readonly Commit[] | undefined>
  /** Takes over a commit that is known to be the version after `head`. */
  adopt(head: Snapshot, commit: Commit): Snapshot
}

const UNANSWERED_WAIT_MS = 50

/**
 * Commits, rebasing over what others committed while `conflictOf` allows it. Optimistic concurrency as PROTOCOL.md
 * has it: a version is an object put if absent. An answer that was lost is never guessed: the version is read back and
 * its id compared. Raises `unavailable` (`did-not-happen`, or `unknown` when even reading back failed, or clean-up passed
 * this commit while it slept), `invalid` for a table that Hearth does not write, and the signal's reason.
 */
export async function commitTo(target: CommitTarget, request: CommitRequest): Promise<CommitOutcome> {
  for (const { path } of request.removes) assert(request.base.files.has(path), `${path} is not in the base`)
  let checked = request.base.version
  for (let attempt = 0; attempt < COMMIT_ATTEMPTS_MAX; attempt++) {
    request.signal?.throwIfAborted()
    const head = await target.refresh()
    checkWritable(head.protocol, head.metadata, request.removes)
    const fenced = fencedTxns(request.txns, head)
    if (fenced.length > 0) return { kind: 'fenced', appIds: fenced }
    const winners = await target.between(checked, head.version)
    if (!winners) return { kind: 'conflict', reason: `the base, version ${checked}, is older than the log reaches` }
    for (const winner of winners) {
      const reason = conflictOf(request, winner)
      if (reason !== undefined) return { kind: 'conflict', reason }
    }
    checked = head.version
    const commit = commitOf(request, head, target.clock.now())
    if (!(await putVersion(target, head, commit, request.id))) continue
    const { version } = commit
    const rebased = head.version - request.base.version
    return { kind: 'committed', version, snapshot: target.adopt(head, commit), attempts: attempt + 1, rebased }
  }
  throw new Problem('unavailable', `the table moved under each of ${COMMIT_ATTEMPTS_MAX} attempts to commit; try later`)
}

/** The log entry of one attempt. Its time never stands still, so that a time names a version. */
function commitOf(request: CommitRequest, head: Snapshot, now_ms: number): Commit {
  const timestamp = Math.max(now_ms, head.timestamp_ms + 1)
  return {
    version: head.version + 1,
    info: {
      timestamp,
      operation: request.kind === 'ingest' ? 'WRITE' : request.kind.toUpperCase(),
      operationParameters: {},
      engineInfo: 'Hearth',
      hearth: { ...request.info, id: request.id, kind: request.kind },
    },
    adds: request.adds,
    removes: request.removes.map((remove) => ({ ...remove, deletionTimestamp: timestamp })),
    txns: request.txns.map(({ appId, next }) => ({ appId, version: next, lastUpdated: timestamp })),
    metadata: request.metadata,
    protocol: undefined,
  }
}

/** True when the version is ours, false when it never was. Raises `unknown` when neither can be found out. */
async function putVersion(target: CommitTarget, head: Snapshot, commit: Commit, id: string): Promise<boolean> {
  const found = await putOrRead(target, commit, id)
  // Another's that our first put found there needs no proof.
  if (found !== 'taken') await proveStanding(target, head, commit)
  return found === 'ours'
}

/** Puts a version until there is one. `taken-since`: another's is there, and a put of ours had no answer before. */
async function putOrRead(
  { log, clock }: CommitTarget,
  commit: Commit,
  id: string,
): Promise<'ours' | 'taken' | 'taken-since'> {
  let cause: unknown
  let isLost = false
  for (let unanswered = 0; unanswered < UNANSWERED_PUTS_MAX; unanswered++) {
    try {
      await log.put(commit)
      return 'ours'
    } catch (error) {
      const taken = isProblem(error, 'conflict')
      const lost = isProblem(error) && error.outcome === 'unknown'
      if (!taken && !lost && unanswered === 0) throw error
      cause = error
      isLost ||= lost
    }
    try {
      const found = await log.read(commit.version)
      if (found?.info?.hearth?.id === id) return 'ours'
      if (found) return isLost ? 'taken-since' : 'taken'
    } catch (error) {
      // That a read failed says nothing of the put before it, whatever the read says of itself.
      if (!isProblem(error) || !(isLost || error.kind === 'unavailable')) throw error
      cause = error
    }
    await sleep(clock, UNANSWERED_WAIT_MS * 2 ** unanswered)
  }
  throw notKnown(commit, messageOf(cause), cause)
}

/**
 * A put onto a version that clean-up had removed succeeds too, where no reader looks; and what was committed can be removed,
 * and another's stray put in its place, before its committer looks. The version before it says: clean-up deletes in
 * ascending order. When that is gone, or is another's stray, only the table tells; planning anew from it is safe.
 */
async function proveStanding(target: CommitTarget, head: Snapshot, commit: Commit): Promise<void> {
  let stands: boolean
  try {
    stands = await target.stands(head)
  } catch (cause) {
    if (!isProblem(cause)) throw cause
    throw notKnown(commit, messageOf(cause), cause)
  }
  if (!stands) throw notKnown(commit, `version ${head.version} was cleaned up while this commit slept`)
}

function notKnown({ version }: Commit, why: string, cause?: unknown): Problem {
  const text = `whether version ${version} was committed is not known: ${why}; read the table to find out`
  return new Problem('unavailable', text, { outcome: 'unknown', cause })
}
