/** Alertmanager, by its API v2 (github.com/prometheus/alertmanager, api/v2/openapi.yaml: postAlerts). */
import type { Clock, Random } from '../../contract/clock.ts'
import type { Behind } from './behind-sql.ts'
import { REMIND_MS, REMINDS_MISSED_MAX } from './limits.ts'
import type { Notification } from './notification.ts'
import { postJson } from './post-json.ts'
import type { Receiver } from './receiver.ts'
import { CALLING } from './transition.ts'

export type AlertmanagerOptions = { readonly url: string; readonly clock: Clock; readonly random: Random }

/**
 * It takes an alert for over at its `endsAt`, so that what fires is told again each REMIND_MS with a later one, as
 * Prometheus does; were Hearth gone, it would end by itself.
 */
export function openAlertmanager({ url, clock, random }: AlertmanagerOptions): Receiver {
  const post = (notifications: readonly Notification[], signal: AbortSignal) =>
    postJson({
      ...{ name: 'alertmanager', url: `${url.replace(/\/$/, '')}/api/v2/alerts`, headers: {}, clock, random, signal },
      body: JSON.stringify(notifications.flatMap((one) => alertsOf(one, clock.now()))),
    })
  return { name: 'alertmanager', last_only: true, tell: (one, signal) => post([one], signal), remind: post }
}

/** What is unknown is no error, and another alert: whoever silences the one still hears of the other. */
const NAMES = { firing: 'HearthObjective', unknown: 'HearthUnknown' }

/** The alert that it is now, and the one that it was. */
function alertsOf(one: Notification, now_ms: number) {
  const { state, previous, time_ms } = one
  const until_ms = now_ms + REMINDS_MISSED_MAX * REMIND_MS
  return CALLING.filter((calling) => calling === state || calling === previous).map((calling) =>
    alertOf(one, NAMES[calling], calling === state ? until_ms : time_ms),
  )
}

function alertOf(one: Notification, alertname: string, ends_ms: number) {
  const [startsAt, endsAt] = [one.started_ms, ends_ms].map((ms) => new Date(ms).toISOString())
  return {
    ...{ startsAt, endsAt, generatorURL: one.links.fleet },
    labels: { alertname, objective: one.objective, severity: one.severity, fleet: one.fleet },
    annotations: {
      summary: one.summary,
      ...Object.fromEntries(one.behind.map((behind) => [behind.dimension, behindText(behind)])),
      ...{ commands: one.links.commands, rows: one.links.rows },
    },
  }
}

/** firmware 5.0.0: 93 % of the bad, 12 % of all */
function behindText({ dimension, name, share_of_bad, share_of_all }: Behind): string {
  const percent = (share: number) => `${(100 * share).toPrecision(3).replace(/\.?0+$/, '')} %`
  return `${dimension} ${name}: ${percent(share_of_bad)} of the bad, ${percent(share_of_all)} of all`
}
