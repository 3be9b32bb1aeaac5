/** Literals for the SELECTs that the pages are made of; the same text is shown in Query, so it is meant to be read. */

/** `TIMESTAMP '2026-11-24 14:03:10.250'`, UTC. */
export function timestamp(time_ms: number): string {
  return `TIMESTAMP '${new Date(time_ms)
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '')
    .replace(/\.000$/, '')}'`
}

/** `DATE '2026-11-24'`, the UTC day that the time is in. */
export function date(time_ms: number): string {
  return `DATE '${new Date(time_ms).toISOString().slice(0, 10)}'`
}

/** A template's lines without the indentation that they share, and without blank ends. */
export function lines(sql: string): string {
  const all = sql.split('\n')
  while (all[0]?.trim() === '') all.shift()
  while (all.at(-1)?.trim() === '') all.pop()
  const indent = Math.min(...all.filter((line) => line.trim() !== '').map((line) => /^ */.exec(line)?.[0].length ?? 0))
  return all.map((line) => line.slice(indent)).join('\n')
}
