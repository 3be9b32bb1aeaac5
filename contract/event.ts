import { EVENT_TIME_FUTURE_MAX_MS, EVENT_TIME_PAST_MAX_MS } from './limits.ts'

/** The kinds that sources send. An unknown kind is kept, not refused. */
export const EVENT_KINDS = ['reading', 'command', 'connection', 'health', 'crash', 'log', 'registry', 'alive'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** Kinds that services alone tell: what the registry and the relay say is not up to hubs. */
export const SERVICE_KINDS: readonly string[] = ['connection', 'registry', 'alive']

/** Kinds that the writer makes: rows about transport, outside the uniqueness of (source, boot, stream, seq). */
export const TRANSPORT_KINDS = ['batch', 'dead'] as const

/** One event as a source sends it: a line of a batch. Fields beyond these are kept as text in `extra`. */
export type Event = {
  /** Source's monotonic clock when it happened, ms since its start. */
  readonly m: number
  /** Only from services: the subject. */
  readonly hub?: string
  readonly kind: string
  readonly device?: string
  readonly attribute?: string
  readonly value?: number | boolean
  readonly text?: string
  readonly unit?: string
  readonly command?: string
  /** Wall time of the command's issue, ms since 1970, given by the relay and echoed by the hub. */
  readonly issued?: number
  readonly stage?: string
  readonly ms?: number
  readonly reason?: string
  readonly [extra: string]: unknown
}

/** The fields that become columns of their own; everything else goes to `extra`. */
export const EVENT_FIELDS = [
  'm',
  'hub',
  'kind',
  'device',
  'attribute',
  'value',
  'text',
  'unit',
  'command',
  'issued',
  'stage',
  'ms',
  'reason',
] as const

/** Fields that Hearth's own parts send or keep in `extra`, and read there: what they mean is not up to hubs. */
export const OWN_EXTRA_FIELDS: readonly string[] = [
  // Commands and sessions.
  ...['app', 'set', 'deadline_ms', 'epoch', 'planned'],
  // The registry.
  ...['valid_from_ms', 'enrolled_ms', 'retired_ms', 'generation', 'home', 'region', 'model', 'zone', 'maintenance'],
  // Rows of kinds batch and dead.
  ...['listener', 'now', 'wall'],
]

export type TimeSource = 'monotonic' | 'wall' | 'received'

/** What a batch's header says of its source's clocks; NaN where it says nothing. */
export type SourceClocks = { readonly now_ms: number; readonly wall_ms: number }

/** Is `time_ms` close enough to the receipt to be believed? */
function plausible(time_ms: number, received_ms: number): boolean {
  return time_ms <= received_ms + EVENT_TIME_FUTURE_MAX_MS && time_ms >= received_ms - EVENT_TIME_PAST_MAX_MS
}

/** Which clock the time of an event is from: the one that can be trusted most. */
export function timeSource({ now_ms, wall_ms }: SourceClocks, m: number, received_ms: number): TimeSource {
  if (!Number.isNaN(now_ms)) return 'monotonic'
  return plausible(wall_ms + m, received_ms) ? 'wall' : 'received'
}

/**
 * When an event happened: by the source's monotonic clock set against the time of receipt; else by the source's own wall
 * clock, when plausible; else the receipt. All in ms since 1970.
 */
export function eventTime({ now_ms, wall_ms }: SourceClocks, m: number, received_ms: number): number {
  if (!Number.isNaN(now_ms)) {
    const latest = received_ms + EVENT_TIME_FUTURE_MAX_MS
    return Math.min(Math.max(received_ms - (now_ms - m), received_ms - EVENT_TIME_PAST_MAX_MS), latest)
  }
  return plausible(wall_ms + m, received_ms) ? wall_ms + m : received_ms
}
