import type { LiveEvent } from '../contract/live-message.ts'

export type { LiveAnswer, LiveEvent } from '../contract/live-message.ts'

/** Of which hubs somebody wants to hear. */
export type Wanted = 'all' | ReadonlySet<string>

/** What shows events to whoever observes. */
export type LiveSource = {
  /** Returns what ends it. */
  observe(observer: (event: LiveEvent) => void, wanted?: Wanted): () => void
}

/** Sends events to whoever observes; costs nothing while nobody does. */
export type LiveFeed = LiveSource & {
  readonly watched: boolean
  publish(event: LiveEvent): void
  /** Of all observers together. */
  wanted(): Wanted
}

export function liveFeed(): LiveFeed {
  const ofAll = new Set<(event: LiveEvent) => void>()
  const byHub = new Map<string, Set<(event: LiveEvent) => void>>()
  return {
    get watched() {
      return ofAll.size + byHub.size > 0
    },
    publish(event) {
      for (const observer of ofAll) observer(event)
      for (const observer of byHub.get(event.hub) ?? []) observer(event)
    },
    wanted: () => (ofAll.size > 0 ? 'all' : new Set(byHub.keys())),
    observe(observer, wanted = 'all') {
      // Its own, for the same function may observe twice.
      const mine = (event: LiveEvent) => observer(event)
      if (wanted === 'all') {
        ofAll.add(mine)
        return () => ofAll.delete(mine)
      }
      for (const hub of wanted) {
        const others = byHub.get(hub)
        if (others) others.add(mine)
        else byHub.set(hub, new Set([mine]))
      }
      return () => {
        for (const hub of wanted) {
          const left = byHub.get(hub)
          left?.delete(mine)
          if (left?.size === 0) byHub.delete(hub)
        }
      }
    },
  }
}
