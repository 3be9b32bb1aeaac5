import { expect, test } from 'vitest'
import type { AddFile } from './action.ts'
import { UNIT_TAG } from './conflict.ts'
import { COMPACT_FILE_MIN_BYTES } from './limits.ts'
import { rowsIn, shapeOf } from './table-shape.ts'

const file = (path: string, change: Partial<AddFile> = {}): [string, AddFile] => [
  path,
  { path, partitionValues: { bucket: '0' }, size: 10, modificationTime: 0, dataChange: true, ...change },
]

test('counts small files, and the fullest partition of them; files of a unit are small by design', () => {
  const files = new Map([
    file('a'),
    file('b'),
    file('c', { partitionValues: { bucket: '1' } }),
    file('large', { size: COMPACT_FILE_MIN_BYTES }),
    file('unit', { tags: { [UNIT_TAG]: '2026-11-24T13/0' } }),
  ])
  expect(shapeOf({ files })).toEqual({
    ...{ files: 5, bytes: 40 + COMPACT_FILE_MIN_BYTES, small_files: 3, fullest_partition: 2 },
  })
})

test('adds up the rows of files by their statistics', () => {
  const [, counted] = file('a', { stats: '{"numRecords":7}' })
  const [, unknown] = file('b')
  expect(rowsIn([counted, unknown])).toBe(7)
})
