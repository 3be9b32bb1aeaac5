import { describe, expect, test } from 'vitest'
import { addToSchema, decodeSchema, duckDbType } from './schema.ts'

const schemaOf = (type: unknown, metadata: unknown = {}) =>
  JSON.stringify({ type: 'struct', fields: [{ name: 'x', type, nullable: true, metadata }] })

describe('types of other engines', () => {
  test.each([
    ['short', 'SMALLINT'],
    ['timestamp_ntz', 'TIMESTAMP'],
    ['decimal(10,2)', 'DECIMAL(10,2)'],
    [{ type: 'array', elementType: 'timestamp', containsNull: true }, 'TIMESTAMPTZ[]'],
    [{ type: 'map', keyType: 'string', valueType: 'string', valueContainsNull: true }, 'MAP(VARCHAR, VARCHAR)'],
    [{ type: 'map', keyType: 'string', valueType: 'float', valueContainsNull: true }, 'MAP(VARCHAR, FLOAT)'],
    [
      { type: 'struct', fields: [{ name: 'A "b"', type: { type: 'array', elementType: 'byte' } }] },
      'STRUCT("A ""b""" TINYINT[])',
    ],
  ])('%j is %s', (type, expected) => {
    const [column] = decodeSchema(schemaOf(type))
    expect(column && duckDbType(column.type)).toBe(expected)
  })

  test.each(['variant', 'void', 'toString', { type: 'array', elementType: 'variant' }])('%j is refused', (type) => {
    expect(() => decodeSchema(schemaOf(type))).toThrow('column x has the type')
  })

  test('mapped names below a column are refused', () => {
    const nested = { type: 'struct', fields: [{ name: 'a', type: 'long' }] }
    expect(() => decodeSchema(schemaOf(nested), 'name')).toThrow('column mapping (mode name)')
  })
})

test('a mapped column is found by its stored name, and by its number where the mode says so', () => {
  const text = schemaOf('long', { 'delta.columnMapping.id': 4, 'delta.columnMapping.physicalName': 'col-1' })
  expect(decodeSchema(text, 'name')).toEqual([{ name: 'x', type: 'long', meaning: '', stored_name: 'col-1' }])
  expect(decodeSchema(text, 'id')).toMatchObject([{ stored_name: 'col-1', field_id: 4 }])
  expect(decodeSchema(text)).toEqual([{ name: 'x', type: 'long', meaning: '' }])
})

test('a column is added before those of the partition, and the others stay as they were', () => {
  const fields = [
    { name: 'x', type: 'decimal(3,1)', nullable: false, metadata: { theirs: 1 } },
    { name: 'day', type: 'date', nullable: true, metadata: {} },
  ]
  const added = addToSchema(
    JSON.stringify({ type: 'struct', fields }),
    [{ name: 'y', type: 'long', meaning: 'm' }],
    ['day'],
  )
  expect(JSON.parse(added)).toEqual({
    type: 'struct',
    fields: [fields[0], { name: 'y', type: 'long', nullable: true, metadata: { comment: 'm' } }, fields[1]],
  })
})
