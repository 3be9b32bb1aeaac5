import { tableFromIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import { arrowOf } from './arrow.ts'

const cost = { ms: 1, files: 0, bytes: 0, partitions: 0, days: null, versions: {} }

test('columns keep their order, names and types; lists and exact numbers that came as text too', () => {
  const names = ['b', '1', 'on', 'list', 'exact']
  const types = ['VARCHAR', 'DOUBLE', 'BOOLEAN', 'INTEGER[]', 'BIGINT']
  const columns = names.map((name, i) => ({ name, type: types[i] ?? '' }))
  const answer = {
    columns,
    ...{ truncated: false, statistics: cost },
    rows: [
      ['grün', 1.5, true, '[1, 2]', '42'],
      [null, null, null, null, null],
    ],
  }
  const table = tableFromIPC(arrowOf(answer))
  expect(table.schema.fields.map(({ name, type }) => [name, String(type)])).toEqual([
    ['b', 'Utf8'],
    ['1', 'Float64'],
    ['on', 'Bool'],
    ['list', 'Utf8'],
    ['exact', 'Float64'],
  ])
  expect([0, 1].map((row) => names.map((_, i) => table.getChildAt(i)?.get(row)))).toEqual([
    ['grün', 1.5, true, '[1, 2]', 42],
    [null, null, null, null, null],
  ])
})

test('an answer without rows has its columns', () => {
  const table = tableFromIPC(
    arrowOf({ columns: [{ name: 'n', type: 'BIGINT' }], rows: [], truncated: false, statistics: cost }),
  )
  expect([table.numRows, table.schema.fields.map(({ name }) => name)]).toEqual([0, ['n']])
})
