import { type CommandReport, OUTCOMES, type Outcome, type RelayBound } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'

/** One command as the relay knows it. Its past never changes: stages are only added, the outcome only gets better. */
export type Command = {
  readonly id: string
  /** Hash of what is to be done: a repeat must have the same. */
  readonly hash: string
  readonly app: string
  readonly hub: string
  readonly device: string
  readonly set: CommandReport['set']
  /** Wall time of issue, ms since 1970. */
  readonly issued: number
  readonly day: string
  readonly deadline_ms: number
  /** Monotonic clock of this run of the relay at issue, ms; absent for a command that an earlier run issued. */
  readonly issued_mono: number | undefined
  sent_mono: number | undefined
  readonly stages: CommandReport['stages'][number][]
  outcome: Outcome | undefined
  reason: string | undefined
  round_trip_ms: number | undefined
}

/** As `commandId` makes them; anything else never came from a relay, and does not reach the ledger. */
export const COMMAND_ID = /^[0-9a-f]{32}$/

/** An event of the relay about a hub, as the ledger takes it; `m` is the relay's monotonic clock, ms. */
export type LedgerEvent = Event & { readonly hub: string }

/** A hub's word on a command. */
export type HubResult = Extract<RelayBound, { type: 'result' }>

/** What a hub's word means for the outcome; `received` means nothing yet. */
export function outcomeOf(stage: HubResult['stage'], in_time: boolean): Outcome | undefined {
  if (stage === 'received') return undefined
  if (stage === 'executed') return in_time ? 'done' : 'late'
  return stage
}

/** Does `next` count over `before`? Outcomes only move to an earlier one of OUTCOMES, so that none is ever taken back. */
export function outranks(next: Outcome, before: Outcome | undefined): boolean {
  return before === undefined || OUTCOMES.indexOf(next) < OUTCOMES.indexOf(before)
}

/** What apps are told. A snapshot: later stages do not change it. */
export function reportOf(command: Command): CommandReport {
  return {
    command: command.id,
    hub: command.hub,
    device: command.device,
    set: command.set,
    issued: command.issued,
    day: command.day,
    deadline_ms: command.deadline_ms,
    ...(command.outcome === undefined ? {} : { outcome: command.outcome }),
    ...(command.reason === undefined ? {} : { reason: command.reason }),
    stages: command.stages.slice(),
    ...(command.round_trip_ms === undefined ? {} : { round_trip_ms: command.round_trip_ms }),
  }
}

/** Of an answered command, what is not the hub's way: checks, both writes of the ledger, the event loop. Undefined without a round trip. */
export function ownShare_ms({ round_trip_ms }: CommandReport, took_ms: number): number | undefined {
  return round_trip_ms === undefined ? undefined : Math.max(0, took_ms - round_trip_ms)
}

/** UTC day of a time in ms since 1970, `2026-11-24`. Asked twice at each command: `toISOString` costs four times as much. */
export function utcDay(time_ms: number): string {
  const day = new Date(time_ms)
  return `${day.getUTCFullYear()}-${twoDigits(day.getUTCMonth() + 1)}-${twoDigits(day.getUTCDate())}`
}

function twoDigits(part: number): string {
  return String(part).padStart(2, '0')
}

/** Microseconds are as fine as any clock here is. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
