/** What a query answered, for people and other programs. The browser reads this file too. */

/** RFC 4180, with a header line; NULL is an empty field, an empty text is `""`. */
export function csvOf(answer: {
  readonly columns: readonly { readonly name: string }[]
  readonly rows: readonly (readonly unknown[])[]
}): string {
  return [answer.columns.map(({ name }) => name), ...answer.rows]
    .map((cells) => `${cells.map(field).join(',')}\r\n`)
    .join('')
}

function field(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Is a DuckDB type one number? A list of numbers is not. */
export function isNumericType(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/.test(type)
}
