import { type FreshWord, freshWord } from '../../../../jobs/fresh-word.ts'
import type { JobsAnswer, MetricNow, RunLook } from '../../../jobs-api.ts'
import type { Tone } from '../icon.tsx'
import { counted } from '../number-format.ts'

/** Whether a metric is as fresh as it should be, in a word. */
export type Fresh = { readonly tone: Tone; readonly word: FreshWord }

const TONES: Readonly<Record<FreshWord, Tone>> = {
  ...{ failing: 'bad', late: 'bad', fresh: 'good', due: 'warn', 'not made yet': 'idle', 'nothing yet': 'idle' },
}

/** How long a metric has been late; 0 when it is not, and for one that was never made, which is another matter. */
export function lateBy({ computed, fresh_until_ms }: MetricNow, now_ms: number): number {
  return computed === 0 || fresh_until_ms === null ? 0 : Math.max(0, now_ms - fresh_until_ms)
}

export function dueUnits({ due }: MetricNow): number {
  return due.reduce((sum, { units }) => sum + units, 0)
}

export function freshOf(metric: MetricNow, now_ms: number): Fresh {
  const word = freshWord({
    computed: metric.computed,
    due: dueUnits(metric),
    reaches: metric.complete_to_ms !== null,
    is_history: metric.unit === 'history',
    late_ms: lateBy(metric, now_ms),
    failing: metric.failing !== null,
  })
  return { tone: TONES[word], word }
}

/** What there is to look at, in words; empty when nothing is. */
export function troublesOf(
  { metrics, under_way }: Pick<JobsAnswer, 'metrics' | 'under_way'>,
  now_ms: number,
): readonly string[] {
  const failing = metrics.filter((metric) => metric.failing !== null).length
  const late = metrics.filter((metric) => lateBy(metric, now_ms) > 0).length
  const unmade = metrics.filter((metric) => freshOf(metric, now_ms).word === 'not made yet').length
  const unknown = under_way.filter(({ about }) => about === null).length
  return [
    ...(failing > 0 ? [`${counted(failing, 'metric')} failing`] : []),
    ...(late > 0 ? [`${counted(late, 'metric')} late`] : []),
    ...(unmade > 0
      ? [unmade === metrics.length ? 'no metric is made yet' : `${counted(unmade, 'metric')} not made yet`]
      : []),
    ...(unknown > 0 ? [`${counted(unknown, 'run')} of another Hearth under way`] : []),
  ]
}

/** A run, and how often the same failed since when; once, unless it failed. */
export type FoldedRun = RunLook & { readonly times: number; readonly since_ms: number }

/** Runs, newest first, with those of a metric that failed in the same way folded into the newest of them. */
export function foldRuns(runs: readonly RunLook[]): readonly FoldedRun[] {
  const groups = Map.groupBy(runs, ({ run_id, metric, outcome, reason, first_ms, last_ms }) =>
    JSON.stringify(outcome === 'failed' ? [metric, reason, first_ms, last_ms] : [metric, run_id]),
  )
  return [...groups.values()].flatMap(([newest, ...older]) =>
    newest ? [{ ...newest, times: older.length + 1, since_ms: older.at(-1)?.started_ms ?? newest.started_ms }] : [],
  )
}

/** `2026-11-24T13`, UTC: as `hearth jobs explain` takes it. */
export function hourText(time_ms: number): string {
  return new Date(time_ms).toISOString().slice(0, 13)
}

/** undefined for what is no hour. */
export function hourOf(text: string | undefined): number | undefined {
  const time_ms = /^\d{4}-\d\d-\d\d([T ]\d\d)?$/.test(text ?? '')
    ? Date.parse(`${text}${text?.length === 10 ? 'T00' : ''}:00Z`)
    : Number.NaN
  return Number.isNaN(time_ms) ? undefined : time_ms
}
