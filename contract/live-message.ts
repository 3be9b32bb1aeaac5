import type { AttributeValue, CommandReport, Outcome, Stage } from './command-report.ts'
import type { Problem } from './problem.ts'

/** What observers of a relay see as it happens: one JSON text a message on `GET /v1/live`. Durations in ms. */
export type LiveEvent =
  | { readonly type: 'issued'; readonly hub: string; readonly app: string; readonly report: CommandReport }
  | {
      readonly type: 'stage'
      readonly hub: string
      readonly command: string
      readonly device: string
      readonly stage: Stage | Outcome
      readonly by: 'relay' | 'hub'
      readonly ms: number
    }
  | { readonly type: 'outcome'; readonly hub: string; readonly app: string; readonly report: CommandReport }
  | {
      readonly type: 'state'
      readonly hub: string
      readonly device: string
      readonly set: Readonly<Record<string, AttributeValue>>
      /** Wall time of receipt, ms since 1970. */
      readonly at: number
    }
  | {
      readonly type: 'connection'
      readonly hub: string
      readonly stage: 'connected' | 'disconnected'
      readonly epoch: string
      readonly at: number
      readonly reason?: string
      readonly planned?: boolean
    }

/** What a relay answers to a message of its app on the same WebSocket; `ref` is the app's own, echoed. */
export type LiveAnswer =
  /** The first message of each socket: it is served. The relay's clocks, in ms: wall (since 1970) and monotonic. */
  | { readonly type: 'hello'; readonly now: number; readonly mono: number }
  | { readonly type: 'pong' }
  | { readonly type: 'answer'; readonly ref?: string | undefined; readonly report: CommandReport }
  | {
      readonly type: 'problem'
      readonly ref?: string | undefined
      readonly kind: Problem['kind']
      readonly outcome: Problem['outcome']
      readonly message: string
    }

/** What an app may say on the socket. */
export type LiveRequest =
  | {
      readonly type: 'command'
      /** The app's own, to know the answer by. */
      readonly ref?: string
      readonly hub: string
      /** As the headers Idempotency-Key and Idempotency-Day. */
      readonly key?: string
      readonly day?: string
      /** The relay's monotonic clock, as its `hello` told it: what arrives later than this is refused, and not issued. */
      readonly until?: number
      readonly command: unknown
    }
  /** Events of these hubs only; of all that the token may see when absent, and before the first `listen`. */
  | { readonly type: 'listen'; readonly hubs?: readonly string[] }
  | { readonly type: 'ping' }

/** A WebSocket of a browser takes no headers: the token comes as a subprotocol beside the one that is spoken. */
export const LIVE_PROTOCOL = 'hearth.live.v1'
export const TOKEN_PROTOCOL = 'hearth.token.'
