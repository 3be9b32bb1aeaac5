import type { AlertState, JudgedRule, Severity, Verdict } from './burn-rate.ts'

/** How an alert stands: one for each objective and severity. One that nothing is known of is `ok`, with sequence 0. */
export type Standing = {
  readonly objective: string
  readonly severity: Severity
  /** How often it has changed. */
  readonly sequence: number
  readonly state: AlertState
  readonly since_ms: number
  /** Number of the newest change that people are told; 0 when there was none. */
  readonly told_sequence: number
  /** The long window of the rule that it was judged by when it last changed. */
  readonly long_ms?: number | undefined
}

/** A change of an alert, with the rule that it was judged by, or that people were called by when it is over; without one where the objective was withdrawn. */
export type Transition = {
  readonly objective: string
  readonly severity: Severity
  readonly sequence: number
  readonly state: AlertState
  readonly previous: AlertState
  readonly time_ms: number
  readonly rule: JudgedRule | undefined
}

export function alertKey({ objective, severity }: Pick<Standing, 'objective' | 'severity'>): string {
  return `${objective}/${severity}`
}

/**
 * What changes by these verdicts of all objectives that stand. One whose standing is of that time already or of a later one
 * does not: another scheduler saw more. Pure.
 */
export function transitionsOf(
  standing: readonly Standing[],
  verdicts: readonly Verdict[],
  time_ms: number,
): readonly Transition[] {
  const before = new Map(standing.map((one) => [alertKey(one), one]))
  const judged = new Set(verdicts.map(alertKey))
  const gone = standing.filter((one) => !judged.has(alertKey(one)))
  const wanted = [
    ...verdicts,
    ...gone.map((one) => ({ ...one, state: 'withdrawn' as const, rule: undefined, rules: [] })),
  ]
  return wanted.flatMap(({ objective, severity, state, rule, rules }) => {
    const stood = before.get(alertKey({ objective, severity }))
    const previous = stood?.state ?? 'ok'
    if (state === previous || (stood && time_ms <= stood.since_ms)) return []
    const called = isCalling(previous) && !isCalling(state) && rules.find(({ long_ms }) => long_ms === stood?.long_ms)
    const sequence = (stood?.sequence ?? 0) + 1
    return [{ objective, severity, sequence, state, previous, time_ms, rule: called || rule }]
  })
}

/** Is it one that people are told? Other changes are history alone. */
export function isTold({ state, previous }: Pick<Transition, 'state' | 'previous'>): boolean {
  return isCalling(state) || isCalling(previous)
}

/** States in which somebody is called: as long as one lasts, receivers that forget are reminded of it. */
export const CALLING = ['firing', 'unknown'] as const satisfies readonly AlertState[]

export function isCalling(state: AlertState): state is (typeof CALLING)[number] {
  return CALLING.some((one) => one === state)
}
