import { type Random, uuid } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { type AddFile, removeOf } from './action.ts'
import { commitRewritten } from './commit-rewritten.ts'
import { REMOVALS_TXN, UNIT_TAG } from './conflict.ts'
import { REMOVAL_ATTEMPTS_MAX, REMOVAL_FILES_MAX, REMOVAL_MAX_BYTES } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

/** A file that has rows that go: how many rows it has, and how many are left. */
export type Hit = { readonly add: AddFile; readonly rows: number; readonly left: number }

/** Finds the rows that go, and writes files without them: by DuckDB in a lake, something plainer in the simulator. */
export type RowRemover = {
  hits(base: Snapshot, files: readonly AddFile[], signal?: AbortSignal): Promise<readonly Hit[]>
  /** New files in place of those that `stay`, durable when it resolves, and what the commit says of the rows of all. */
  rewrite(
    base: Snapshot,
    files: readonly AddFile[],
    stay: ReadonlySet<string>,
    signal?: AbortSignal,
  ): Promise<{ readonly adds: readonly AddFile[]; readonly info: Readonly<Record<string, unknown>> }>
  [Symbol.asyncDispose](): Promise<void>
}

export type RemovalOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly random: Random
  readonly kind: 'erase' | 'retain'
  readonly dry_run?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Files that may hold such rows, by their entry in the log. */
  may(add: AddFile): boolean
  openRemover(): Promise<RowRemover>
  progress?(done: number, total: number): void
}

/** What was removed, or in a dry run would be. */
export type Removal = {
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly commits: number
}

/**
 * Takes rows out of a table, a few files a commit, until a look at all of its files finds none. Files that keep rows are
 * written anew with their tags; of a unit of work a file stays even without rows, since its tags are the ledger of what
 * was made. Removals are pinned: what others took first is looked for anew where they put it. Killed anywhere it is
 * begun again, and finds what is left. Raises `conflict` after losing to others too often.
 */
export async function removeRows(options: RemovalOptions): Promise<Removal> {
  const { table, signal } = options
  const totals = { files: 0, rows: 0, bytes: 0, commits: 0 }
  const clean = new Set<string>()
  await using remover = await options.openRemover()
  for (let lost = 0; lost < REMOVAL_ATTEMPTS_MAX; ) {
    signal?.throwIfAborted()
    const base = await table.snapshot()
    const suspects = [...base.files.values()].filter((add) => !clean.has(add.path) && options.may(add))
    options.progress?.(clean.size, clean.size + suspects.length)
    if (suspects.length === 0) return totals
    const some = atOnce(suspects)
    const hits = await remover.hits(base, some, signal)
    const hit = new Set(hits.map(({ add }) => add.path))
    for (const { path } of some) if (!hit.has(path) || options.dry_run) clean.add(path)
    if (hits.length > 0 && !options.dry_run && !(await rewrite(options, remover, base, hits))) {
      lost++
      continue
    }
    if (hits.length > 0) totals.commits++
    totals.files += hits.length
    totals.rows += hits.reduce((sum, { rows, left }) => sum + rows - left, 0)
    totals.bytes += hits.reduce((sum, { add }) => sum + add.size, 0)
  }
  throw new Problem('conflict', `${table.name} moved under each of ${REMOVAL_ATTEMPTS_MAX} attempts; try again later`)
}

function atOnce(files: readonly AddFile[]): readonly AddFile[] {
  let bytes = 0
  const end = files.findIndex(
    ({ size }, i) => i === REMOVAL_FILES_MAX || (i > 0 && (bytes += size) > REMOVAL_MAX_BYTES),
  )
  return end === -1 ? files : files.slice(0, end)
}

/** False when others took one of the files first, or the table changed. */
async function rewrite(
  { store, table, random, kind, signal }: RemovalOptions,
  remover: RowRemover,
  base: Snapshot,
  hits: readonly Hit[],
): Promise<boolean> {
  const isLedger = (add: AddFile) => kind === 'erase' && add.tags?.[UNIT_TAG] !== undefined
  const stay = hits.filter(({ add, left }) => left > 0 || isLedger(add))
  const { adds, info } = await remover.rewrite(
    base,
    hits.map(({ add }) => add),
    new Set(stay.map(({ add }) => add.path)),
    signal,
  )
  const removals = base.txns.get(REMOVALS_TXN)
  return await commitRewritten(store, table, {
    ...{ id: uuid(random), kind, base, adds, info, signal },
    txns: [{ appId: REMOVALS_TXN, expected: removals, next: (removals ?? 0) + 1 }],
    removes: hits.map(({ add }) => removeOf(add)),
  })
}
