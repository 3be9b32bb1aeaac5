import type { AlertChange } from '../jobs/alerts/alerts-table.ts'
import type { JudgedRule } from '../jobs/alerts/burn-rate.ts'
import { digits, windowText } from '../jobs/alerts/summary.ts'
import { isCalling, type Standing } from '../jobs/alerts/transition.ts'
import type { Judged } from '../jobs/objective-state.ts'
import { shortTime, textTable } from './text-table.ts'

type Told = Judged & { readonly burns: readonly JudgedRule[]; readonly alerts: readonly Standing[] }

/** A table of the objectives, and one of how fast each spends its budget. */
export function statusText(found: readonly Told[]): string {
  const percent = (share: number | undefined) => (share === undefined ? '' : `${(100 * share).toFixed(3)} %`)
  const kept = textTable(
    ['objective', 'state', 'kept', 'target', 'budget left', 'good', 'total', 'days', 'alerts'],
    found.map((one) => [
      ...[one.objective, one.state, percent(one.share), percent(one.target), percent(one.budget_left)],
      ...[one.good, one.total, one.window_days, alertsText(one.alerts)],
    ]),
  )
  const burns = textTable(
    ['objective', 'severity', 'windows', 'burn rate', 'fires above', 'now'],
    found.flatMap(({ objective, burns: rules }) =>
      rules.map(({ severity, long_ms, short_ms, long, short, burn, state }) => [
        ...[objective, severity, `${windowText(long_ms)} and ${windowText(short_ms)}`],
        ...[`${rate(long.burn)} and ${rate(short.burn)}`, `${digits(burn)}×`, state],
      ]),
    ),
  )
  return `${kept}\n\n${burns}`
}

export function historyText(changes: readonly AlertChange[]): string {
  return textTable(
    ['time', 'objective', 'severity', 'change', 'burn rate', 'fires above'],
    changes.map((one) => [
      ...[shortTime(one.time_ms), one.objective, one.severity, `${one.previous} → ${one.state}`],
      one.long_ms === undefined || one.short_ms === undefined
        ? ''
        : `${rate(one.long_burn)} over ${windowText(one.long_ms)}, ${rate(one.short_burn)} over ${windowText(one.short_ms)}`,
      one.threshold === undefined ? '' : `${digits(one.threshold)}×`,
    ]),
  )
}

function alertsText(alerts: readonly Standing[]): string {
  const calling = alerts.filter(({ state }) => isCalling(state))
  const text = ({ severity, state, since_ms }: Standing) =>
    `${severity}${state === 'unknown' ? ' unknown' : ''} since ${shortTime(since_ms)}`
  return calling.map(text).join(', ')
}

function rate(burn: number | undefined): string {
  return burn === undefined ? '–' : `${digits(burn)}×`
}
