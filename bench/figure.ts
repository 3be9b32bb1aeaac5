/** One line of a result. With several rounds the value is their median, and `low` and `high` the least and greatest. */
export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly low?: number
  readonly high?: number
  /** What the figure should reach: at least (or, with `most`, at most) this. */
  readonly target?: { readonly least?: number; readonly most?: number }
}

/** The middle value; of an even number of values the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (!Number.isInteger(middle)) return sorted[Math.floor(middle)] ?? Number.NaN
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** The value that a share of all values does not pass (nearest rank). NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** A figure over rounds: median with its spread. */
export function overRounds(name: string, unit: string, values: readonly number[], target?: Figure['target']): Figure {
  const spread = values.length > 1 ? { low: Math.min(...values), high: Math.max(...values) } : {}
  return { name, unit, value: median(values), ...spread, ...(target ? { target } : {}) }
}

/** p50, p99, p99.9 and the greatest of latencies. */
export function latencyFigures(name: string, values_ms: readonly number[]): Figure[] {
  const shares = { p50: 0.5, p99: 0.99, 'p99.9': 0.999, max: 1 }
  return Object.entries(shares).map(([at, share]) => ({
    name: `${name} ${at}`,
    unit: 'ms',
    value: percentile(values_ms, share),
  }))
}

/** Whether a figure reaches its target; undefined where it has none. */
export function reaches({ value, target }: Figure): boolean | undefined {
  if (!target) return undefined
  return value >= (target.least ?? -Infinity) && value <= (target.most ?? Infinity)
}

/** Three digits that matter, thousands apart: 12 300, 41.7, 0.153. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return value.toPrecision(3)
}
