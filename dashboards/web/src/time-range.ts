import { computed } from '@preact/signals'
import { now } from './browser.ts'
import { parameter, set } from './location.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Ranges that end now. */
export const PRESETS = [
  { name: '1h', span_ms: HOUR_MS, words: 'Last hour' },
  { name: '6h', span_ms: 6 * HOUR_MS, words: 'Last 6 hours' },
  { name: '24h', span_ms: DAY_MS, words: 'Last 24 hours' },
  { name: '7d', span_ms: 7 * DAY_MS, words: 'Last 7 days' },
  { name: '30d', span_ms: 30 * DAY_MS, words: 'Last 30 days' },
] as const
const DEFAULT = PRESETS[2]

export type TimeRange = {
  readonly from_ms: number
  readonly to_ms: number
  /** Name of the preset; undefined for an absolute range. */
  readonly preset: string | undefined
}

/** The time range in the URL: `range=24h`, or `from` and `to` as ISO times; the last 24 hours when it names none. */
export const range = computed((): TimeRange => {
  const from_ms = Date.parse(parameter('from') ?? '')
  const to_ms = Date.parse(parameter('to') ?? '')
  if (from_ms < to_ms) return { from_ms, to_ms, preset: undefined }
  const preset = PRESETS.find((candidate) => candidate.name === parameter('range')) ?? DEFAULT
  return { from_ms: now.value - preset.span_ms, to_ms: now.value, preset: preset.name }
})

export function setPreset(name: string): void {
  set({ range: name === DEFAULT.name ? undefined : name, from: undefined, to: undefined })
}

export function setRange(from_ms: number, to_ms: number): void {
  set({ range: undefined, from: new Date(from_ms).toISOString(), to: new Date(to_ms).toISOString() })
}

/** Moves the window by its own length: −1 back, 1 forward, never past now. */
export function step(direction: -1 | 1): void {
  const { from_ms, to_ms } = range.value
  const shift = Math.min(direction * (to_ms - from_ms), Math.max(0, now.value - to_ms))
  if (shift !== 0) setRange(from_ms + shift, to_ms + shift)
}

/** The zone that times are shown in: the browser's own, or UTC. */
export const zone = computed((): string =>
  parameter('zone') === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone,
)

export function toggleZone(): void {
  set({ zone: parameter('zone') === 'utc' ? undefined : 'utc' })
}

const formats = computed(() => {
  const timeZone = zone.value
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', ...options })
  return {
    clock: format({ hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    minute: format({ hour: '2-digit', minute: '2-digit' }),
    day: format({ day: 'numeric', month: 'short' }),
    full: format({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
  }
})

/** `14:03:10` */
export function clockTime(time_ms: number): string {
  return formats.value.clock.format(time_ms)
}

/** `14:03:10.250` */
export function exactTime(time_ms: number): string {
  return `${clockTime(time_ms)}.${String(Math.floor(time_ms % 1000)).padStart(3, '0')}`
}

/** `14:03` */
export function minuteTime(time_ms: number): string {
  return formats.value.minute.format(time_ms)
}

/** `24 Nov` */
export function day(time_ms: number): string {
  return formats.value.day.format(time_ms)
}

/** `24 Nov, 14:03` */
export function dayTime(time_ms: number): string {
  return formats.value.full.format(time_ms)
}

const utc = { timeZone: 'UTC', day: 'numeric', month: 'short' } as const
const utcDayFormat = new Intl.DateTimeFormat('en-GB', utc)
const utcHourFormat = new Intl.DateTimeFormat('en-GB', { ...utc, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

/** `24 Nov`, of UTC, whatever zone times are shown in: a day that a metric has a row for. */
export function utcDay(time_ms: number): string {
  return utcDayFormat.format(time_ms)
}

/** `24 Nov, 14:03 UTC` */
export function utcTime(time_ms: number): string {
  return `${utcHourFormat.format(time_ms)} UTC`
}

/** How long ago, in words: `12 s`, `3 min`, `2 h`, `4 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
