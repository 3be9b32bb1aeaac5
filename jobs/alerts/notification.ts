import { HOUR_MS } from '../limits.ts'
import type { AlertChange } from './alerts-table.ts'
import { type Behind, rowsSql } from './behind-sql.ts'
import type { AlertState, Severity } from './burn-rate.ts'
import type { Window } from './counted-sql.ts'
import { SHARE_MIN } from './limits.ts'
import { minutesFrom } from './points-sql.ts'
import { rounded } from './rounded.ts'
import type { Silent } from './silent-sql.ts'
import { summaryOf } from './summary.ts'
import { isCalling } from './transition.ts'

export type BurnTold = {
  readonly window_ms: number
  readonly burn: number | undefined
  readonly bad: number
  readonly total: number
}

/** A change of an alert as it is told. The same change is the same notification, whoever sends it and however often. */
export type Notification = {
  readonly id: string
  readonly fleet: string
  readonly objective: string
  readonly severity: Severity
  readonly state: AlertState
  readonly previous: AlertState
  readonly time_ms: number
  /** Since when it is so, or was. */
  readonly started_ms: number
  readonly summary: string
  readonly threshold: number | undefined
  readonly burns: readonly BurnTold[]
  readonly behind: readonly Behind[]
  /** Without `rows` where the measure is not known. */
  readonly links: { readonly commands: string; readonly rows?: string; readonly fleet: string }
}

export type About = {
  readonly fleet: string
  /** Where the dashboards are: `http://127.0.0.1:8990`. */
  readonly dashboards_url: string
  /** Undefined where the objective does not stand any more, or nobody has looked at it yet. */
  readonly measure: string | undefined
  readonly behind: readonly Behind[]
  readonly silent: readonly Silent[]
}

/** What the notification is about: the long window of its rule, up to the change; from a whole hour on where it is counted so. */
export function windowOf({ time_ms, long_ms }: AlertChange): Window {
  const from_ms = time_ms - (long_ms ?? HOUR_MS)
  return { from_ms: from_ms < minutesFrom(time_ms) ? Math.floor(from_ms / HOUR_MS) * HOUR_MS : from_ms, to_ms: time_ms }
}

/** Pure. */
export function notificationOf(change: AlertChange, about: About): Notification {
  const { fleet, dashboards_url, measure, behind } = about
  const { objective, severity, sequence, state, previous, time_ms, threshold } = change
  const burns = [
    { window_ms: change.long_ms, burn: change.long_burn, bad: change.long_bad, total: change.long_total },
    { window_ms: change.short_ms, burn: change.short_burn, bad: change.short_bad, total: change.short_total },
  ].flatMap(({ window_ms, burn, bad = 0, total = 0 }) =>
    window_ms === undefined ? [] : [{ window_ms, burn: burn === undefined ? undefined : rounded(burn), bad, total }],
  )
  return {
    id: `${fleet}/${objective}/${severity}/${sequence}`,
    ...{ fleet, objective, severity, state, previous, time_ms, threshold, burns, behind },
    started_ms: isCalling(state) ? time_ms : (change.previous_ms ?? time_ms),
    summary: summaryOf(change, burns, about),
    links: linksOf(dashboards_url, objective, measure, windowOf(change), behind),
  }
}

/** Addresses of pages, as the pages' own links have them: the whole view is in the URL. */
function linksOf(
  base: string,
  objective: string,
  measure: string | undefined,
  window: Window,
  behind: readonly Behind[],
): Notification['links'] {
  const address = (page: string, more: Readonly<Record<string, string>>) => {
    const range = { from: new Date(window.from_ms).toISOString(), to: new Date(window.to_ms).toISOString() }
    return `${base.replace(/\/$/, '')}/${page}?${new URLSearchParams({ ...range, ...more }).toString()}`
  }
  const most = (wanted: string) =>
    behind.find(({ dimension, share_of_bad }) => dimension === wanted && share_of_bad > SHARE_MIN)?.name
  const [hub, outcome] = [most('hub'), measure === 'command_success' ? most('outcome') : undefined]
  return {
    commands: address('commands', { ...(hub && { hub }), ...(outcome && { outcome }) }),
    ...(measure !== undefined && { rows: address('query', { sql: rowsSql(objective, measure, window, behind) }) }),
    // It has the worst hubs by availability: of other measures one might not be among them.
    fleet: address('fleet', measure === 'availability' && hub ? { find: hub } : {}),
  }
}
