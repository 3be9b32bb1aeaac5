/** What an alert says in one line: somebody reads it who was just woken. Pure. */
import { HOUR_MS } from '../limits.ts'
import type { AlertChange } from './alerts-table.ts'
import { type Behind, isPlace } from './behind-sql.ts'
import { SHARE_MIN, SILENT_TOLD_MAX } from './limits.ts'
import type { About, BurnTold } from './notification.ts'
import { rounded } from './rounded.ts'
import type { Silent } from './silent-sql.ts'

/** What an objective of a measure counts, and what is said of the bad. */
const WORDS: Readonly<Record<string, { readonly counted: string; readonly bad: string }>> = {
  command_success: { counted: 'commands', bad: 'bad' },
  latency: { counted: 'commands', bad: 'too slow' },
  availability: { counted: 'expected time', bad: 'hub hours away' },
  loss: { counted: 'events', bad: 'lost' },
}

/**
 * `ticket: command-success, 114 of 4 983 bad in 3d (1.4× over 3d, 2.1× over 6h), 77 % region us-east, mostly offline`;
 * the windows are those of `burns`, the long one first.
 */
export function summaryOf(change: AlertChange, burns: readonly BurnTold[], about: About): string {
  const { severity, objective, state, previous, short_ms = 0 } = change
  const { counted = 'data', bad = 'bad' } = WORDS[about.measure ?? ''] ?? {}
  const spent = burns.map(({ burn, window_ms }) =>
    burn === undefined
      ? `no ${counted} in the last ${windowText(window_ms)}`
      : `${digits(burn)}× over ${windowText(window_ms)}`,
  )
  const alert = `${severity}: ${objective}`
  const [long] = burns
  if (state === 'firing' && long) {
    const unit = about.measure === 'availability' ? HOUR_MS : 1
    const [missed, of] = [long.bad, long.total].map((sum) => countText(sum / unit))
    return `${alert}, ${missed} of ${of} ${bad} in ${windowText(long.window_ms)} (${spent.join(', ')})${behindText(about.behind)}`
  }
  if (state === 'unknown') return `${alert}: nothing is known of ${silentText(about.silent, short_ms)}`
  const over = previous === 'firing' ? ' does not fire any more' : previous === 'unknown' ? ' is known again' : ''
  const rates = burns.length > 0 ? ` (${spent.join(', ')})` : ''
  return `${alert}${over}: ${state}${state === 'too little data' ? ', which is no recovery' : ''}${rates}`
}

/** Where, and in what way. */
function behindText(behind: readonly Behind[]): string {
  const place = behind.find(isPlace)
  const way = behind.find((one) => !isPlace(one))
  const percent = (share: number) => (share > SHARE_MIN && share < 1 ? 'mostly' : `${Math.round(100 * share)} %`)
  const texts = [
    place && `${Math.round(100 * place.share_of_bad)} % ${place.dimension.replace('_', ' ')} ${place.name}`,
    way && `${percent(way.share_of_bad)} ${way.dimension === 'hop' ? 'in the ' : ''}${way.name}`,
  ]
  return texts.flatMap((text) => (text ? [`, ${text}`] : [])).join('')
}

/** 12 of 13 hubs: no sign of life of relay-1 since 14:03Z, relay-2 since 14:05Z */
function silentText(silent: readonly Silent[], window_ms: number): string {
  const [first] = silent
  if (!first) return `most of the expected time of the last ${windowText(window_ms)}`
  const hubs = silent.reduce((sum, one) => sum + one.hubs, 0)
  const since = (ms: number) => `${new Date(ms).toISOString().slice(11, 16)}Z`
  const relays = silent.slice(0, SILENT_TOLD_MAX).map(({ relay, since_ms }) => `${relay} since ${since(since_ms)}`)
  const others = silent.length > relays.length ? `, and ${silent.length - relays.length} more` : ''
  return `${hubs} of ${first.of} hubs: no sign of life of ${relays.join(', ')}${others}`
}

/** 114, 4 983, 0.12 */
function countText(count: number): string {
  if (count < 100 && !Number.isInteger(count)) return digits(count)
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, ' ')
}

/** 14.4, 6, 0.21 */
export function digits(rate: number): string {
  return String(rounded(rate))
}

/** 5m, 6h, 3d */
export function windowText(ms: number): string {
  if (ms % (24 * HOUR_MS) === 0) return `${ms / (24 * HOUR_MS)}d`
  return ms % HOUR_MS === 0 ? `${ms / HOUR_MS}h` : `${ms / 60_000}m`
}
