import { describe, expect, test } from 'vitest'
import type { AddFile, Commit, Metadata } from './action.ts'
import { removeOf } from './action.ts'
import { COMMIT_KINDS, type CommitKind, conflictOf, FLOOR_TXN, type Rebased, UNIT_TAG } from './conflict.ts'

const add = (path: string, unit?: string): AddFile => ({
  path,
  partitionValues: {},
  size: 1,
  modificationTime: 1,
  dataChange: true,
  ...(unit !== undefined && { tags: { [UNIT_TAG]: unit } }),
})
const metadata: Metadata = {
  id: 'm',
  format: { provider: 'parquet', options: {} },
  schemaString: '',
  partitionColumns: [],
  configuration: {},
}

/** Each kind of commit in its usual form; `side` keeps the files of two of them apart. */
function usual(kind: CommitKind, side: string): Rebased {
  const forms: Readonly<Record<CommitKind, Omit<Rebased, 'kind' | 'base'>>> = {
    ingest: { adds: [add(`${side}/new`)], removes: [] },
    replace: { adds: [add(`${side}/new`, `unit-${side}`)], removes: [removeOf(add(`${side}/old`))] },
    compact: { adds: [add(`${side}/joined`)], removes: [removeOf(add(`${side}/old`), { dataChange: false })] },
    metadata: { adds: [], removes: [], metadata },
    floor: { adds: [], removes: [] },
    erase: { adds: [add(`${side}/kept`)], removes: [removeOf(add(`${side}/old`))] },
    retain: { adds: [add(`${side}/kept`)], removes: [removeOf(add(`${side}/old`))] },
  }
  return { kind, base: { version: 4 }, ...forms[kind] }
}

/** A floor is `floor`: by itself that of the base of what is usual. */
function won(by: Rebased, hearth = true, floor = 4): Commit {
  return {
    version: 7,
    info: { timestamp: 1, ...(hearth && { hearth: { id: 'theirs', kind: by.kind } }) },
    adds: by.adds,
    removes: by.removes,
    txns: by.kind === 'floor' ? [{ appId: FLOOR_TXN, version: floor }] : [],
    metadata: by.metadata,
    protocol: undefined,
  }
}

/** Rows: mine; columns: the winner, in the order of COMMIT_KINDS. y: rebased; n: planned anew. Files do not meet. */
const TABLE: Readonly<Record<CommitKind, string>> = {
  //        ingest replace compact metadata floor erase retain
  ingest: 'y y y n n n n',
  replace: 'y y y n n n y',
  compact: 'y y y n n n y',
  metadata: 'y y y n y y y',
  floor: 'y y y y n y y',
  erase: 'y y y n n n y',
  retain: 'y y y n n n y',
}

describe('may a commit be rebased over a winner whose files it does not touch?', () => {
  const pairs = COMMIT_KINDS.flatMap((mine) =>
    COMMIT_KINDS.map((winner, index) => ({ mine, winner, allowed: TABLE[mine].split(' ')[index] === 'y' })),
  )
  test.each(pairs)('$mine after $winner: $allowed', ({ mine, winner, allowed }) => {
    const reason = conflictOf(usual(mine, 'mine'), won(usual(winner, 'theirs')))
    expect(reason === undefined, reason).toBe(allowed)
    if (reason !== undefined) expect(reason).toContain('version 7')
  })
})

describe('a floor voids what was uploaded under a base that is not above it', () => {
  const pairs = COMMIT_KINDS.flatMap((mine) => [3, 4, 5].map((floor) => ({ mine, floor })))
  test.each(pairs)('$mine on base 4 after the floor $floor', ({ mine, floor }) => {
    const adds = usual(mine, 'mine').adds.length > 0
    const allowed = mine === 'floor' ? false : !adds || floor < 4
    const reason = conflictOf(usual(mine, 'mine'), won(usual('floor', 'theirs'), true, floor))
    expect(reason === undefined, reason).toBe(allowed)
  })

  test('also when it is another commit that carries it, and what only removes files stands', () => {
    const theirs: Commit = { ...won(usual('ingest', 'theirs')), txns: [{ appId: FLOOR_TXN, version: 4 }] }
    expect(conflictOf(usual('ingest', 'mine'), theirs)).toContain('floor 4')
    expect(conflictOf({ ...usual('compact', 'mine'), adds: [] }, theirs)).toBeUndefined()
  })
})

describe('when files meet', () => {
  const onBase = { base: { version: 4 } }

  test.each(['replace', 'compact', 'erase', 'retain'] as const)(
    '%s fails when a file that it removes is gone',
    (kind) => {
      const mine = { ...usual(kind, 'mine'), removes: [removeOf(add('shared'))] }
      for (const winner of ['replace', 'compact', 'erase', 'retain'] as const) {
        const theirs = { ...usual(winner, 'theirs'), removes: [removeOf(add('shared'))] }
        expect(conflictOf(mine, won(theirs))).toBeDefined()
        expect(conflictOf(mine, won(theirs, false)), 'by another engine').toBeDefined()
      }
    },
  )

  test('replace fails when another put a file in its unit, even where none stood before', () => {
    const mine: Rebased = { ...onBase, kind: 'replace', adds: [add('mine', 'hour-1/3')], removes: [] }
    const theirs: Rebased = { ...onBase, kind: 'replace', adds: [add('theirs', 'hour-1/3')], removes: [] }
    expect(conflictOf(mine, won(theirs))).toContain('hour-1/3')
    expect(conflictOf(mine, won({ ...theirs, adds: [add('theirs', 'hour-2/3')] }))).toBeUndefined()
  })

  test('files without a unit are in no unit together', () => {
    const mine: Rebased = { ...onBase, kind: 'replace', adds: [add('mine')], removes: [] }
    expect(conflictOf(mine, won({ ...mine, adds: [add('theirs')] }))).toBeUndefined()
  })

  test('ingest does not care that old files were replaced or joined', () => {
    expect(conflictOf(usual('ingest', 'mine'), won(usual('compact', 'theirs')))).toBeUndefined()
  })
})

test('a schema change by another engine, which names no kind, voids what was planned before it', () => {
  expect(conflictOf(usual('ingest', 'mine'), won(usual('metadata', 'theirs'), false))).toContain('schema')
  expect(conflictOf(usual('ingest', 'mine'), won(usual('ingest', 'theirs'), false))).toBeUndefined()
})
