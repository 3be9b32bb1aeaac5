/** A command as apps see it. Imports nothing: the client for browsers carries it. */

/** Moments in a command's life, in order. `received` and `executed` are stamped by the hub, the others by the relay. */
export const STAGES = ['issued', 'routed', 'sent', 'received', 'executed', 'acked'] as const
export type Stage = (typeof STAGES)[number]

/** How a command ended. With several on record the first of this list counts. */
export const OUTCOMES = ['done', 'late', 'interrupted', 'rejected', 'expired', 'offline'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** In words, for people. */
export const OUTCOME_MEANING: Readonly<Record<Outcome, string>> = {
  done: 'the device confirmed within the deadline',
  late: 'the deadline passed first, then the device confirmed: it did happen',
  interrupted: 'the hub died while executing: it may or may not have happened, and it is not tried again',
  rejected: 'the hub or the device said no',
  expired: 'the deadline passed with no result: whether it happened is unknown',
  offline: 'no live connection: nothing was sent',
}

/** What an attribute of a device is set to. */
export type AttributeValue = number | boolean | string

/** The answer to a command, and what `GET /v1/commands/{id}` tells. Durations in ms. */
export type CommandReport = {
  readonly command: string
  readonly hub: string
  readonly device: string
  readonly set: Readonly<Record<string, AttributeValue>>
  readonly issued: number
  readonly day: string
  readonly deadline_ms: number
  /** Absent while it is running. */
  readonly outcome?: Outcome
  readonly reason?: string
  /** Relay's clock: ms since `issued`. Hub's clock: ms since `received`. */
  readonly stages: readonly { readonly stage: Stage | Outcome; readonly by: 'relay' | 'hub'; readonly ms: number }[]
  /** sent → acked on the relay's clock. */
  readonly round_trip_ms?: number
}
