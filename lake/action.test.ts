import { describe, expect, test } from 'vitest'
import { decodeCommit, encodeCommit, removeOf } from './action.ts'
import { fold } from './snapshot.ts'

const schemaString = (fields: readonly unknown[] = []) => JSON.stringify({ type: 'struct', fields })
const PROTOCOL = { minReaderVersion: 1, minWriterVersion: 2 }
const METADATA = {
  id: 'm',
  format: { provider: 'parquet', options: {} },
  schemaString: schemaString(),
  partitionColumns: [],
  configuration: {},
}
const ADD = { path: 'a', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true }

const read = (...actions: readonly unknown[]) =>
  fold(undefined, [decodeCommit(0, Buffer.from(actions.map((action) => JSON.stringify(action)).join('\n')))])

describe('what Hearth would misread is refused by its name', () => {
  test.each([
    ['a deletion vector', [{ add: { ...ADD, deletionVector: { storageType: 'u' } } }], 'deletion vector'],
    [
      'a reader feature',
      [
        {
          protocol: {
            minReaderVersion: 3,
            minWriterVersion: 7,
            readerFeatures: ['v2Checkpoint'],
            writerFeatures: ['v2Checkpoint'],
          },
        },
      ],
      'v2Checkpoint',
    ],
    [
      'a reader version of the future',
      [{ protocol: { minReaderVersion: 4, minWriterVersion: 8 } }],
      'reader version 4',
    ],
    [
      'a mode of column mapping that is not known',
      [{ metaData: { ...METADATA, configuration: { 'delta.columnMapping.mode': 'tag' } } }],
      'column mapping (mode tag)',
    ],
    ['another format', [{ metaData: { ...METADATA, format: { provider: 'orc', options: {} } } }], 'orc'],
    [
      'a type',
      [
        {
          metaData: {
            ...METADATA,
            schemaString: schemaString([{ name: 'x', type: 'variant', nullable: true, metadata: {} }]),
          },
        },
      ],
      'variant',
    ],
  ])('%s', (_, actions, words) => {
    expect(() => read({ protocol: PROTOCOL }, { metaData: METADATA }, ...actions)).toThrow(words)
  })
})

describe('a log entry', () => {
  test('comes back as it was written, and skips actions it does not know', () => {
    const commit = decodeCommit(
      3,
      Buffer.from(
        [
          { commitInfo: { timestamp: 5, hearth: { id: 'i', kind: 'ingest', hours: [1] } } },
          { cdc: { path: 'c' } },
          { txn: { appId: 'x', version: 4 } },
          { remove: { path: 'b', dataChange: true } },
          { add: { ...ADD, stats: '{"numRecords":1}', tags: { unit: 'u' } } },
        ]
          .map((action) => JSON.stringify(action))
          .join('\n'),
      ),
    )
    expect(decodeCommit(3, encodeCommit(commit))).toEqual(commit)
    expect(commit).toMatchObject({ info: { hearth: { hours: [1] } }, txns: [{ appId: 'x', version: 4 }] })
  })

  test('that is broken says where', () => {
    expect(() => decodeCommit(12, Buffer.from('{"txn":{"appId":"a","version":1}}\n{"add":'))).toThrow(
      'line 2 of log version 12',
    )
    expect(() => decodeCommit(12, Buffer.from('{"add":{"path":7}}'))).toThrow('line 1 of log version 12')
  })
})

describe('of other engines', () => {
  test('a path is a URI in the log, and stays the one that it was', () => {
    const encoded = 'Region=a%20b%252F%C3%BC/part.parquet'
    const adding = decodeCommit(0, Buffer.from(JSON.stringify({ add: { ...ADD, path: encoded } })))
    const [add] = adding.adds
    expect(add?.path).toBe('Region=a b%2Fü/part.parquet')
    expect(Buffer.from(encodeCommit(adding)).toString()).toContain(`"path":"${encoded}"`)
    if (!add) throw new Error('a file is there')
    const removing = encodeCommit({ ...adding, adds: [], removes: [removeOf(add)] })
    expect(Buffer.from(removing).toString()).toContain(`"path":"${encoded}"`)
  })

  test.each(['file:/elsewhere/part.parquet', 's3://bucket/part.parquet', '/elsewhere/part.parquet'])(
    'a file outside of its table is refused: %s',
    (path) => expect(() => read({ add: { ...ADD, path } })).toThrow('shallow clone'),
  )

  test('what a commit says of itself may be anything, and the time in the commit goes before the other', () => {
    const info = (value: unknown) => decodeCommit(0, Buffer.from(JSON.stringify({ commitInfo: value }))).info
    expect(info({ operation: 7, operationParameters: 'none' })).toMatchObject({ timestamp: 0 })
    expect(info({ timestamp: 5, inCommitTimestamp: 6 })).toMatchObject({ timestamp: 6 })
  })
})

test('a snapshot keeps the last word on each file', () => {
  const remove = { path: 'a', dataChange: true, deletionTimestamp: 0 }
  const gone = read({ protocol: PROTOCOL }, { metaData: METADATA }, { add: ADD }, { add: { ...ADD, path: 'b' } })
  const next = fold(gone, [decodeCommit(1, Buffer.from(JSON.stringify({ remove })))])
  expect([...next.files.keys()]).toEqual(['b'])
  expect([...gone.files.keys()]).toEqual(['a', 'b'])
  expect(() => fold(next, [decodeCommit(3, Buffer.from('\n'))])).toThrow('log version 2 is missing')
})
