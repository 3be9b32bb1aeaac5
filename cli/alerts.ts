import type { Registry } from 'prom-client'
import { openAlertmanager } from '../jobs/alerts/alertmanager.ts'
import { openAlerts } from '../jobs/alerts/alerts.ts'
import { REMIND_MS } from '../jobs/alerts/limits.ts'
import type { Receiver } from '../jobs/alerts/receiver.ts'
import { openWebhook } from '../jobs/alerts/webhook.ts'
import { eachInterval } from '../jobs/schedule.ts'
import type { Lake } from '../lake/lake.ts'
import { openQuery } from '../lake/query.ts'
import { alertsFigures } from './alerts-figures.ts'
import type { CliContext } from './context.ts'
import { lakeCache } from './lake-store.ts'
import type { Log } from './log.ts'
import { readSetting } from './setting-file.ts'

export type RunAlertsOptions = {
  readonly lake: Lake
  readonly log: Log
  readonly metrics: Registry
  readonly receivers: readonly Receiver[]
  readonly signal: AbortSignal
}

/**
 * Judges the objectives beside the schedule of the jobs, at its pace and at least once a minute, until the signal aborts: a
 * receiver that does not answer keeps no metric waiting, nor a long run an alert.
 */
export async function runAlerts(context: CliContext, options: RunAlertsOptions): Promise<void> {
  const { lake, log, receivers, signal } = options
  const figures = alertsFigures(
    options.metrics,
    receivers.map(({ name }) => name),
  )
  const { clock, config, random } = context
  await using query = await openQuery({ lake, clock, threads: 1, cache: lakeCache(context) })
  const { host, port } = config.dashboards
  const alerts = openAlerts({
    ...{ lake, query, clock, random, receivers },
    dashboards_url: config.alerts.dashboards_url || `http://${host}:${port}`,
    changed: (transitions) => {
      for (const { objective, severity, previous, state } of transitions)
        log.info('alert', `${objective}, ${severity}: ${previous}, now ${state}`, {
          objective,
          severity,
          previous,
          state,
        })
    },
    told: (receiver, notifications) => {
      figures.told(receiver, 'done')
      const ids = notifications.map(({ id }) => id)
      log.info('told', `told the ${receiver} of ${ids.length} changes`, { receiver, ids })
    },
    unexplained: (error) => log.failed('unexplained', error),
    untold: (receiver, error, refused) => {
      figures.told(receiver, 'failed')
      log.failed('untold', error, { receiver, ...(refused && { refused: refused.id }) })
    },
  })
  // What fires ends at Alertmanager where it is not told again in time.
  const interval_ms = Math.min(config.jobs.interval_ms, REMIND_MS)
  await eachInterval({ clock, interval_ms, signal }, async () => {
    try {
      await alerts.tick(signal)
    } catch (error) {
      if (signal.aborted) return
      figures.failed()
      log.failed('alerts-failed', error)
    }
  })
}

/** Who is told, as configured. Raises `invalid` when the secret cannot be read. */
export function receiversOf({
  clock,
  config,
  random,
}: Pick<CliContext, 'clock' | 'config' | 'random'>): readonly Receiver[] {
  const { webhook_url, webhook_secret_file, alertmanager_url } = config.alerts
  const secret = () => webhook_secret_file && readSetting('alerts.webhook_secret_file', webhook_secret_file).trim()
  return [
    ...(webhook_url ? [openWebhook({ url: webhook_url, secret: secret() || undefined, clock, random })] : []),
    ...(alertmanager_url ? [openAlertmanager({ url: alertmanager_url, clock, random })] : []),
  ]
}
