import {
  Bool,
  type DataType,
  Field,
  Float64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { assert } from '../contract/problem.ts'
import { isNumericType } from '../lake/answer.ts'
import type { Cell, QueryAnswer } from './query-protocol.ts'

/** The answer as an Arrow IPC stream. Numbers are float64, truths are bool, everything else is UTF-8 text. */
export function arrowOf({ columns, rows }: QueryAnswer): Uint8Array {
  const schema = new Schema(columns.map(({ name, type }) => new Field(name, typeOf(type), true)))
  const children = schema.fields.map(({ type }, index) => {
    const cells = rows.map((row) => valueFor(type, row[index] ?? null))
    const [data] = vectorFromArray(cells, type).data
    assert(data, 'a vector of one piece')
    return data
  })
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children })
  return tableToIPC(new Table(schema, new RecordBatch(schema, data)), 'stream')
}

function typeOf(type: string): DataType {
  if (isNumericType(type)) return new Float64()
  return type === 'BOOLEAN' ? new Bool() : new Utf8()
}

function valueFor(type: DataType, cell: Cell): Cell {
  if (cell === null) return null
  if (type instanceof Float64) return Number(cell)
  return type instanceof Utf8 ? String(cell) : cell
}
