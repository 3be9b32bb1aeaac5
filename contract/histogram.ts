/**
 * Latency histograms with logarithmic buckets of relative error α, mergeable by adding counts
 * (DDSketch: Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch", VLDB 2019).
 */

/** Relative error of a quantile read from a histogram. */
export const RELATIVE_ERROR = 0.01
/** Bucket i covers (γ^(i−1), γ^i]. */
export const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

/**
 * The bucket of a duration in ms, as SQL in the dialect that DuckDB and Spark share; NULL for zero and negative ones,
 * which are counted apart. LN differs in its last bit between engines; ROUND makes them agree.
 */
export function bucketIndexSql(expression: string): string {
  return `CASE WHEN ${expression} > 0 THEN CAST(CEIL(ROUND(LN(${expression}) / LN(CAST(${GAMMA} AS DOUBLE)), 6)) AS INT) END`
}

/**
 * The value, in ms, that stands for a bucket: within α of everything in it. POWER differs in its last bit between engines,
 * as LN does: rounded to nine digits after the point, or three where so many would be more than a double has.
 */
export function bucketValueSql(index: string): string {
  const value = `2 * POWER(CAST(${GAMMA} AS DOUBLE), ${index}) / ${1 + GAMMA}`
  return `(CASE WHEN ${index} > 500 THEN ROUND(${value}, 3) ELSE ROUND(${value}, 9) END)`
}
