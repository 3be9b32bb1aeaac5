import type { AttributeValue } from '../contract/command.ts'

/** A command to be issued, authorised and valid. */
export type IssueRequest = {
  readonly app: string
  readonly hub: string
  readonly device: string
  readonly set: Readonly<Record<string, AttributeValue>>
  readonly deadline_ms: number
  /** Idempotency-Key; one is made when there is none. */
  readonly key?: string | undefined
  /** The UTC day that the first answer told, on a retry after midnight. */
  readonly day?: string | undefined
  /** The day is the guess of a relay that forwards: yesterday's command of this key is the same one, as without a day. */
  readonly day_assumed?: true | undefined
}

/** Of a command that came by way of another relay, or of a look for one. */
export type Passed = { readonly offline: string }

/** Why a command ends `offline` at once. */
export const OFFLINE = 'the hub is not connected'

/** … and when its connection does not take it (`HubLink.send`). */
export const UNSENT = {
  gone: 'the connection ended before it was sent',
  unsubscribed: 'the hub is connected, and does not listen to its commands',
  'too-large': 'it is larger than the Maximum Packet Size that the hub announced',
} as const
