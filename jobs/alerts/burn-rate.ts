/**
 * How fast a budget of errors is spent, over several windows at once, and whether that is a reason to call somebody
 * (Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). Pure.
 */
import { DAY_MS } from '../day.ts'
import { HOUR_MS } from '../limits.ts'

export const MINUTE_MS = 60_000

export const SEVERITIES = ['page', 'ticket'] as const
export type Severity = (typeof SEVERITIES)[number]

/** Fires when the long window and the short one both spend the budget faster than `burn` times what would just last. */
export type Rule = {
  readonly severity: Severity
  readonly long_ms: number
  /** A twelfth of it: so that it ends soon after what it is about. */
  readonly short_ms: number
  readonly burn: number
}

/** Of an objective over 30 days: 2 % of its budget in an hour, 5 % in 6 hours, 10 % in a day, 10 % in 3 days. */
const RULES: readonly Rule[] = [
  { severity: 'page', long_ms: HOUR_MS, short_ms: 5 * MINUTE_MS, burn: 14.4 },
  { severity: 'page', long_ms: 6 * HOUR_MS, short_ms: 30 * MINUTE_MS, burn: 6 },
  { severity: 'ticket', long_ms: DAY_MS, short_ms: 2 * HOUR_MS, burn: 3 },
  { severity: 'ticket', long_ms: 3 * DAY_MS, short_ms: 6 * HOUR_MS, burn: 1 },
]
const RULES_DAYS = 30

/** No window of a rule is longer. */
export const LONGEST_MS = 3 * DAY_MS

/**
 * The rules of an objective over so many days. Windows stay, since people act as fast as ever; rates are such that the same
 * part of the budget is spent by then. Never below 1: at that rate the objective is just kept.
 */
export function rulesOf(window_days: number): readonly Rule[] {
  return RULES.filter(({ long_ms }) => long_ms <= window_days * DAY_MS).map((rule) => ({
    ...rule,
    burn: Math.max(1, (rule.burn * window_days) / RULES_DAYS),
  }))
}

/** What was counted from a time up to another. */
export type Point = {
  readonly from_ms: number
  readonly to_ms: number
  readonly bad: number
  readonly total: number
  /** What would be in the total if anything were known of it. */
  readonly unknown: number
}

/** What an alert is judged by. */
export type Burnt = {
  readonly objective: string
  readonly target: number
  readonly window_days: number
  /** Rows in its window that it is about; 0 is an error of the objective. */
  readonly matched: number
  /** With less in the long window of a rule there is too little data to call anybody. */
  readonly alert_minimum: number
  readonly points: readonly Point[]
}

export type Spent = {
  readonly bad: number
  readonly total: number
  readonly unknown: number
  /** Of what was counted the bad share, ÷ what the target allows; undefined where nothing was counted. */
  readonly burn: number | undefined
}

export type JudgedRule = Rule & { readonly long: Spent; readonly short: Spent; readonly state: AlertState }

/** `unknown`: of most of the short window nothing is known. `withdrawn`: the objective does not stand any more. */
export type AlertState = 'ok' | 'firing' | 'unknown' | 'too little data' | 'no data' | 'withdrawn'

export type Verdict = {
  readonly objective: string
  readonly severity: Severity
  readonly state: AlertState
  /** The first that fires, else the one that is nearest to it. */
  readonly rule: JudgedRule
  /** All of that severity. */
  readonly rules: readonly JudgedRule[]
}

/** Each rule of an objective at a time, those of short windows first. */
export function judgeRules(one: Burnt, at_ms: number): readonly JudgedRule[] {
  return rulesOf(one.window_days).map((rule) => {
    const long = spentOver(one, at_ms, rule.long_ms)
    const short = spentOver(one, at_ms, rule.short_ms)
    return { ...rule, long, short, state: stateOf(one, rule, long, short) }
  })
}

function stateOf({ alert_minimum, matched }: Burnt, { burn }: Rule, long: Spent, short: Spent): AlertState {
  if (matched === 0) return 'no data'
  const judged = long.burn !== undefined && short.burn !== undefined && long.total >= alert_minimum
  if (judged && long.burn > burn && short.burn > burn) return 'firing'
  // Whatever its minimum: few commands may fail by chance, but a relay is not silent by chance.
  if (short.unknown > short.total) return 'unknown'
  return judged ? 'ok' : 'too little data'
}

/** A point that the window only reaches into is in it as a whole: what is counted by the hour has windows of whole hours. */
function spentOver({ points, target }: Burnt, at_ms: number, length_ms: number): Spent {
  let bad = 0
  let total = 0
  let unknown = 0
  for (const point of points) {
    if (point.to_ms <= at_ms - length_ms || point.from_ms >= at_ms) continue
    bad += point.bad
    total += point.total
    unknown += point.unknown
  }
  return { bad, total, unknown, burn: total > 0 ? bad / total / (1 - target) : undefined }
}

/** One verdict a severity: it fires when one of its rules does, and is judged when one of them can be. */
export function judgeAlerts(one: Burnt, at_ms: number): readonly Verdict[] {
  const all = judgeRules(one, at_ms)
  return SEVERITIES.flatMap((severity) => {
    const rules = all.filter((rule) => rule.severity === severity)
    const [first, ...others] = rules
    if (!first) return []
    const near = (rule: JudgedRule) => nearness(rule, one.alert_minimum)
    const rule = others.reduce((best, other) => (near(other) > near(best) ? other : best), first)
    return [{ objective: one.objective, severity, state: rule.state, rule, rules }]
  })
}

/** Of those that fire the first is told, else of those of which nothing is known; below 0 where it cannot be judged. */
function nearness({ state, burn, long, short }: JudgedRule, alert_minimum: number): number {
  if (state === 'firing') return Number.POSITIVE_INFINITY
  if (state === 'unknown') return Number.MAX_VALUE
  // Nearer than any that is ok, which is 1 at most: without traffic an alert ends, but nothing says that all is well.
  if (short.burn === undefined && long.total >= alert_minimum && (long.burn ?? 0) > burn) return 2
  return state === 'ok' ? Math.max(0, Math.min(long.burn ?? 0, short.burn ?? 0) / burn) : -1
}
