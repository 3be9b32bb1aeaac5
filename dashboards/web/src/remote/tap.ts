/** One touch of the remote, from the finger to the device and back. */
import { OUTCOME_MEANING, type Problem, type SettledReport } from '../../../../client/client.ts'
import { hubExpired } from '../commands/hub-answer.ts'
import type { Tone } from '../icon.tsx'
import { durationText } from '../number-format.ts'

type Values = Readonly<Record<string, string | number | boolean>>

export type Wish = {
  readonly set: Values
  /** What was asked, as `on`, `60 %`. */
  readonly wish: string
}

export type Tap = Wish & {
  readonly device: string
  /** The browser's monotonic clock. */
  readonly since_ms: number
  readonly end?:
    | { readonly report: SettledReport; readonly ms: number }
    | { readonly problem: Problem; readonly ms: number }
}

/** Touches that wait for the one under way, the newest last. */
export type Queued = { readonly wishes: readonly Wish[]; readonly since_ms: number }

/** With one more touch: of each attribute the newest wish counts, and those of others stay. */
export function queue(before: Queued | undefined, wish: Wish, since_ms: number): Queued {
  const stay = (before?.wishes ?? []).filter(({ set }) => !Object.keys(set).every((name) => name in wish.set))
  return { wishes: [...stay, wish], since_ms }
}

/** What is sent when their turn comes. */
export function joined({ wishes }: Queued): Wish {
  return {
    set: Object.fromEntries(wishes.flatMap(({ set }) => Object.entries(set))),
    wish: wishes.map(({ wish }) => wish).join(', '),
  }
}

/** What the device is to become by all that was touched and has no answer yet; the next touch goes on from there. */
export function wishedOf(tap: Tap | undefined, queued: Queued | undefined): Values {
  return { ...(tap && !tap.end ? tap.set : {}), ...(queued ? joined(queued).set : {}) }
}

/** How it ended in one line, and how good that is; undefined while it runs. */
export function verdictOf(tap: Tap): { readonly tone: Tone; readonly text: string } | undefined {
  const { end, wish } = tap
  if (!end) return undefined
  if ('problem' in end) {
    return end.problem.outcome === 'unknown'
      ? { tone: 'warn', text: `No answer: it may be ${wish}, or not` }
      : { tone: 'bad', text: `Not sent: ${end.problem.message}` }
  }
  const { outcome, reason } = end.report
  switch (outcome) {
    case 'done':
      return { tone: 'good', text: `${wish} in ${durationText(end.ms)}` }
    case 'late':
      return { tone: 'warn', text: `${wish}, but late` }
    case 'offline':
      return { tone: 'bad', text: `Offline: nothing was sent${reason ? ` (${reason})` : ''}` }
    case 'rejected':
      return { tone: 'bad', text: `Refused: ${reason ?? 'no reason given'}` }
    case 'expired':
      return { tone: 'warn', text: expiredText(end.report, wish) }
    case 'interrupted':
      return { tone: 'warn', text: OUTCOME_MEANING.interrupted }
  }
}

/** The hub's own word tells what became of it; without one nobody knows. */
function expiredText({ reason, stages }: SettledReport, wish: string): string {
  if (hubExpired(stages) && reason) return `The hub answered: ${reason}`
  const silent = hubExpired(stages) ? 'Its time ran out at the hub too' : 'No word from the device'
  return `${silent}: it may be ${wish}, or not${reason ? ` (${reason})` : ''}`
}

export type Part = {
  readonly name: string
  readonly ms: number
  readonly tone: 'phone' | 'relay' | 'home' | 'device'
  /** Whose clock it is by. */
  readonly clock: string
}

/**
 * Where the time of a tap went; the parts add up to it. Each is a duration of one clock, or the difference of two
 * durations that contain each other: no two clocks are compared.
 */
export function partsOf(report: SettledReport, tap_ms: number): readonly Part[] {
  const relay = report.stages.filter(({ by }) => by === 'relay')
  const relay_ms = Math.max(0, ...relay.map(({ ms }) => ms))
  const round_ms = report.round_trip_ms ?? 0
  const hub_ms = Math.max(
    0,
    ...report.stages.filter(({ by, stage }) => by === 'hub' && stage !== 'received').map(({ ms }) => ms),
  )
  const part = (name: string, tone: Part['tone'], ms: number, clock: string): Part => ({
    ...{ name, tone, clock },
    ms: Math.max(0, ms),
  })
  const parts = [
    part('To the relay and back', 'phone', tap_ms - relay_ms, 'this browser’s clock less the relay’s'),
    part('Relay', 'relay', relay_ms - round_ms, 'the relay’s clock'),
  ]
  if (round_ms > 0)
    parts.push(
      part('To the hub and back', 'home', round_ms - hub_ms, 'the relay’s clock less the hub’s'),
      part('Hub and device', 'device', hub_ms, 'the hub’s clock'),
    )
  return parts
}
