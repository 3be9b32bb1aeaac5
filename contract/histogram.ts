/**
 * Latency histograms with logarithmic buckets of relative error α, mergeable by adding counts
 * (DDSketch: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch", VLDB 2019).
 */

/** Relative error of a quantile read from a histogram. */
export const RELATIVE_ERROR = 0.01
/** Bucket i covers (γ^(i−1), γ^i]. */
export const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

/** The bucket of a duration in ms; undefined for zero and negative ones, which are counted apart. */
export function bucketIndex(duration_ms: number): number | undefined {
  if (!(duration_ms > 0)) return undefined
  return Math.ceil(Math.round((Math.log(duration_ms) / Math.log(GAMMA)) * 1e6) / 1e6)
}

/** The same as SQL, in the dialect that DuckDB and Spark share. LN differs in its last bit; ROUND makes them agree. */
export function bucketIndexSql(expression: string): string {
  return `CASE WHEN ${expression} > 0 THEN CAST(CEIL(ROUND(LN(${expression}) / LN(CAST(${GAMMA} AS DOUBLE)), 6)) AS INT) END`
}

/** The value, in ms, that stands for a bucket: within α of everything in it. */
export function bucketValue(index: number): number {
  return (2 * GAMMA ** index) / (1 + GAMMA)
}

/** Counts by bucket index; `zero` holds durations ≤ 0. */
export type Histogram = { readonly zero: number; readonly counts: ReadonlyMap<number, number> }

export const EMPTY_HISTOGRAM: Histogram = { zero: 0, counts: new Map() }

export function merge(a: Histogram, b: Histogram): Histogram {
  const counts = new Map(a.counts)
  for (const [index, count] of b.counts) counts.set(index, (counts.get(index) ?? 0) + count)
  return { zero: a.zero + b.zero, counts }
}

/** The `q` quantile (0 ≤ q ≤ 1) in ms, within α; undefined when the histogram is empty. */
export function quantile(histogram: Histogram, q: number): number | undefined {
  let total = histogram.zero
  for (const count of histogram.counts.values()) total += count
  if (total === 0) return undefined
  const rank = q * (total - 1)
  let seen = histogram.zero
  if (seen > rank) return 0
  for (const [index, count] of [...histogram.counts].sort((a, b) => a[0] - b[0])) {
    seen += count
    if (seen > rank) return bucketValue(index)
  }
  return undefined
}
