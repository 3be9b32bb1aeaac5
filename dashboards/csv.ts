import type { Cell, QueryAnswer } from './query-protocol.ts'

/** The answer as CSV (RFC 4180), with a header line; null is an empty field. */
export function csvOf(answer: QueryAnswer): string {
  const line = (cells: readonly Cell[]) => cells.map(field).join(',')
  return `${[line(answer.columns.map((column) => column.name)), ...answer.rows.map(line)].join('\r\n')}\r\n`
}

function field(cell: Cell): string {
  if (cell === null) return ''
  const text = String(cell)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
