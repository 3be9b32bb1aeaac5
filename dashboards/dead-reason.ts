/** SQL: a reason without the numbers and checksums in it, so that those of one fault are one. */
export function reasonForm(reason: string): string {
  return `regexp_replace(${reason}, '\\b[0-9a-f]{8}\\b|[0-9]+', '#', 'g')`
}
