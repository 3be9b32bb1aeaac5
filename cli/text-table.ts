/** Rows under a head, in columns that line up; numbers to the right. An empty table says so. */
export function textTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  if (rows.length === 0) return '(none)'
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => String(row[i] ?? '').length)))
  const line = (cells: readonly (string | number)[]) =>
    widths
      .map((width, i) => {
        const cell = cells[i] ?? ''
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n')
}

/** 2026-11-24 17:05Z: short, sortable, and says its zone. */
export function shortTime(time_ms: number | undefined): string {
  return time_ms === undefined ? '' : `${new Date(time_ms).toISOString().slice(0, 16).replace('T', ' ')}Z`
}
