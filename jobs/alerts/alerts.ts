import type { Clock, Random } from '../../contract/clock.ts'
import { isProblem } from '../../contract/problem.ts'
import type { Lake } from '../../lake/lake.ts'
import type { Query } from '../../lake/query.ts'
import { literal } from '../../lake/schema.ts'
import { type AlertChange, type AlertsTable, openAlertsTable } from './alerts-table.ts'
import { behindOf, behindSql } from './behind-sql.ts'
import { judgeAlerts, MINUTE_MS } from './burn-rate.ts'
import { REMIND_MS, TELL_AGE_MS, TOLD_AT_ONCE_MAX } from './limits.ts'
import { type Notification, notificationOf, windowOf } from './notification.ts'
import { type LookedAt, lookAtObjectives } from './objectives-look.ts'
import type { Receiver } from './receiver.ts'
import { silentOf, silentSql } from './silent-sql.ts'
import { alertKey, isCalling, isTold, type Standing, type Transition, transitionsOf } from './transition.ts'

export type AlertsOptions = {
  readonly lake: Lake
  readonly query: Query
  readonly clock: Clock
  readonly random: Random
  readonly receivers: readonly Receiver[]
  readonly dashboards_url: string
  /** Alerts changed, and it is on record. */
  readonly changed: (transitions: readonly Transition[]) => void
  readonly told: (receiver: string, notifications: readonly Notification[]) => void
  /** A receiver was not told; the next tick tries again, unless it is of one that the receiver does not want. */
  readonly untold: (receiver: string, error: unknown, refused?: Notification) => void
  /** What stands behind an alert could not be found; it is told without. */
  readonly unexplained: (error: unknown) => void
}

export type Alerts = {
  /** Judges once a minute, and tells receivers what they were not told yet: a look at the log when there is nothing. */
  tick(signal: AbortSignal): Promise<void>
}

/** Alerts on objectives, over the lake alone: any number may run beside each other (docs/decisions/081). */
export function openAlerts(options: AlertsOptions): Alerts {
  const { clock, lake, query, receivers } = options
  const table = openAlertsTable(options)
  let looked: { readonly sign: string; readonly of: readonly LookedAt[] } | undefined
  let judged_ms = 0
  const reminded_ms = new Map<string, number>()
  /** What calls somebody: what stands behind it is asked once. */
  let kept: ReadonlyMap<string, Notification> = new Map()

  /** What the objectives counted; undefined before the jobs ever ran. */
  async function look(at_ms: number, signal: AbortSignal): Promise<readonly LookedAt[] | undefined> {
    const names = await lake.tables()
    if (!names.includes('slo_hours')) return undefined
    const versions = await Promise.all(
      ['objectives', 'slo_hours'].map(async (name) => (await (await lake.table(name)).snapshot()).version),
    )
    // Whatever is counted anew moves its hours; without that, only windows move, over the same points.
    const sign = [...versions, Math.floor(at_ms / (60 * MINUTE_MS))].join(' ')
    if (looked?.sign !== sign) looked = { sign, of: await lookAtObjectives(query, at_ms, signal) }
    return looked.of
  }

  async function judge(signal: AbortSignal): Promise<void> {
    const at_ms = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS
    if (at_ms === judged_ms) return
    const objectives = await look(at_ms, signal)
    if (!objectives) return
    const verdicts = objectives.flatMap((one) => judgeAlerts(one, at_ms))
    const transitions = transitionsOf(await table.standing(), verdicts, at_ms)
    // Where another was first, the next minute judges by what it wrote.
    if (transitions.length > 0 && (await table.append(transitions))) options.changed(transitions)
    judged_ms = at_ms
  }

  async function notification(change: AlertChange, signal: AbortSignal): Promise<Notification> {
    const measure = looked?.of.find(({ objective }) => objective === change.objective)?.measure
    const { objective, state, time_ms, short_ms = 0 } = change
    const short = { from_ms: time_ms - short_ms, to_ms: time_ms }
    const behind =
      measure && state === 'firing' ? await found(behindSql(objective, measure, windowOf(change)), signal) : []
    const silent = state === 'unknown' ? await found(silentSql(objective, short), signal) : []
    const { dashboards_url } = options
    const about = { fleet: lake.fleet, dashboards_url, measure }
    return notificationOf(change, { ...about, behind: behindOf(behind), silent: silentOf(silent) })
  }

  /** None where it cannot be asked: people are called without. */
  async function found(sql: string, signal: AbortSignal): Promise<readonly (readonly unknown[])[]> {
    try {
      return (await query.run(sql, { signal })).rows
    } catch (error) {
      signal.throwIfAborted()
      options.unexplained(error)
      return []
    }
  }

  async function tell(receiver: Receiver, signal: AbortSignal): Promise<void> {
    const { behind, changes } = await untold(table, receiver.name, clock.now())
    if (behind.length === 0) return
    const taken: Notification[] = []
    // What is too old to be told is noted too, and not looked for again.
    const all = behind.map((one) => ({ ...one, sequence: one.told_sequence }))
    const done: Pick<AlertChange, 'objective' | 'severity' | 'sequence'>[] = []
    try {
      for (const change of receiver.last_only ? lastOf(changes) : changes) {
        const one = await notification(change, signal)
        if (await takes(receiver, one, signal)) taken.push(one)
        done.push(change)
      }
      if (changes.length < TOLD_AT_ONCE_MAX) done.push(...all)
    } finally {
      await table.noteTold(receiver.name, done)
      if (taken.length > 0) options.told(receiver.name, taken)
    }
  }

  /** False for one that the receiver does not want, now or ever. */
  async function takes(receiver: Receiver, one: Notification, signal: AbortSignal): Promise<boolean> {
    try {
      await receiver.tell(one, signal)
      return true
    } catch (error) {
      if (!isProblem(error, 'invalid')) throw error
      options.untold(receiver.name, error, one)
      return false
    }
  }

  async function remind(receiver: Receiver, signal: AbortSignal): Promise<void> {
    const last_ms = reminded_ms.get(receiver.name)
    if (!receiver.remind || (last_ms !== undefined && clock.monotonic() - last_ms < REMIND_MS)) return
    const calling = (await table.standing()).filter(({ state }) => isCalling(state))
    const now = new Map<string, Notification>()
    for (const one of calling) {
      const key = alertKey(one)
      const same = kept.get(key)
      if (same?.time_ms === one.since_ms) now.set(key, same)
      else for (const change of await table.changes(isChange(one))) now.set(key, await notification(change, signal))
    }
    kept = now
    if (kept.size > 0) await receiver.remind([...kept.values()], signal)
    reminded_ms.set(receiver.name, clock.monotonic())
  }

  return {
    async tick(signal) {
      const [judged] = await Promise.allSettled([judge(signal)])
      for (const receiver of receivers) {
        for (const step of [tell, remind]) {
          try {
            await step(receiver, signal)
          } catch (error) {
            signal.throwIfAborted()
            options.untold(receiver.name, error)
          }
        }
      }
      if (judged.status === 'rejected') throw judged.reason
    },
  }
}

/** Alerts of which a receiver was not told all, and the changes that it is to be told. */
async function untold(table: AlertsTable, receiver: string, now_ms: number) {
  const told = await table.told(receiver)
  const behind = (await table.standing()).filter((one) => one.told_sequence > (told(one) ?? 0))
  if (behind.length === 0) return { behind, changes: [] }
  const wanted = behind.map((one) => {
    const recent = `sequence > ${told(one) ?? 0} AND epoch_ms(time) > ${now_ms - TELL_AGE_MS}`
    return `(${ofAlert(one)} AND ${recent})${isCalling(one.state) ? ` OR (${isChange(one)})` : ''}`
  })
  const changes = (await table.changes(wanted.join(' OR '))).filter(isTold)
  return { behind, changes: changes.slice(0, TOLD_AT_ONCE_MAX) }
}

function lastOf(changes: readonly AlertChange[]): readonly AlertChange[] {
  return [...new Map(changes.map((one) => [alertKey(one), one])).values()]
}

function ofAlert({ objective, severity }: Standing): string {
  return `objective = ${literal(objective)} AND severity = ${literal(severity)}`
}

function isChange(one: Standing): string {
  return `${ofAlert(one)} AND sequence = ${one.sequence}`
}
