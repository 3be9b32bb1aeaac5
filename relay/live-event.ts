import type { LiveEvent } from '../contract/live-message.ts'

export type { LiveAnswer, LiveEvent } from '../contract/live-message.ts'

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
