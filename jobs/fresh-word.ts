export type FreshWord = 'failing' | 'late' | 'fresh' | 'due' | 'not made yet' | 'nothing yet'

export type HowFresh = {
  /** Units that stand. */
  readonly computed: number
  readonly due: number
  /** It reaches to some time in every bucket; a whole history reaches to none. */
  readonly reaches: boolean
  readonly is_history: boolean
  readonly late_ms: number
  /** Its last run failed, and what it was to make is due still. */
  readonly failing: boolean
}

/**
 * Whether a metric is as fresh as it should be, in the word that people are told. One that was never made is not late, and late
 * data makes hours due without making the rest old; but where all that stands is due, it is of another definition.
 */
export function freshWord({ computed, due, reaches, is_history, late_ms, failing }: HowFresh): FreshWord {
  if (failing) return 'failing'
  if (computed > 0 && late_ms > 0) return 'late'
  if (computed > 0 && due >= computed) return 'due'
  if (reaches) return 'fresh'
  if (is_history && computed > 0) return due > 0 ? 'due' : 'fresh'
  return due > 0 ? 'not made yet' : 'nothing yet'
}
