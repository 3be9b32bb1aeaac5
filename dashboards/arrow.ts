import { Bool, type DataType, Float64, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import type { Cell, QueryAnswer } from './query-protocol.ts'

const NUMBER_TYPE =
  /^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL)/

/** The answer as an Arrow IPC stream. Numbers are float64, truths are bool, everything else is UTF-8 text. */
export function arrowOf(answer: QueryAnswer): Uint8Array {
  const vectors = answer.columns.map((column, index) => {
    const cells = answer.rows.map((row) => row[index] ?? null)
    const type: DataType = NUMBER_TYPE.test(column.type)
      ? new Float64()
      : column.type === 'BOOLEAN'
        ? new Bool()
        : new Utf8()
    return [
      column.name,
      vectorFromArray(
        cells.map((cell) => valueFor(type, cell)),
        type,
      ),
    ] as const
  })
  return tableToIPC(new Table(Object.fromEntries(vectors)), 'stream')
}

function valueFor(type: DataType, cell: Cell): Cell {
  if (cell === null) return null
  if (type instanceof Float64) return Number(cell)
  return type instanceof Utf8 ? String(cell) : cell
}
