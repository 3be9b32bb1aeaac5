import type { AttributeValue, CommandReport, Outcome, Stage } from '../contract/command.ts'
import type { Problem } from '../contract/problem.ts'

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
  | { readonly type: 'answer'; readonly ref?: string | undefined; readonly report: CommandReport }
  | {
      readonly type: 'problem'
      readonly ref?: string | undefined
      readonly kind: Problem['kind']
      readonly outcome: Problem['outcome']
      readonly message: string
    }

/** Sends events to whoever observes; costs nothing while nobody does. */
export type LiveFeed = {
  readonly watched: boolean
  publish(event: LiveEvent): void
  /** Returns what ends it. */
  observe(observer: (event: LiveEvent) => void): () => void
}

export function liveFeed(): LiveFeed {
  const observers = new Set<(event: LiveEvent) => void>()
  return {
    get watched() {
      return observers.size > 0
    },
    publish: (event) => {
      for (const observer of observers) observer(event)
    },
    observe: (observer) => {
      observers.add(observer)
      return () => observers.delete(observer)
    },
  }
}
