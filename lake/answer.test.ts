import { DuckDBConnection } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { csvOf, isNumericType } from './answer.ts'

it('tells NULL from an empty text, and quotes what needs it', () => {
  const columns = ['empty', 'null', 'list', 'quoted'].map((name) => ({ name }))
  expect(csvOf({ columns, rows: [['', null, [1, 2], 'a"b\r\n']] })).toBe(
    'empty,null,list,quoted\r\n"",,"[1,2]","a""b\r\n"\r\n',
  )
})

it.each([
  ['1', true],
  ['1::UTINYINT', true],
  ['1::UINTEGER', true],
  ['1::UHUGEINT', true],
  ['1.5::DECIMAL(18,3)', true],
  ['1.5::FLOAT', true],
  ['[1]', false],
  ['[1.5::DECIMAL(18,3)]', false],
  ['array_value(1::DOUBLE, 2)', false],
  ["INTERVAL '1 day'", false],
  ["'1'", false],
])('knows whether the type of %s is a number', async (value, expected) => {
  const connection = await DuckDBConnection.create()
  const result = await connection.run(`SELECT ${value}`)
  expect(isNumericType(String(result.columnTypes()[0]))).toBe(expected)
  connection.closeSync()
})
