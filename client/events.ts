import type { LiveEvent, LiveRequest } from '../contract/live-message.ts'
import { Problem } from '../contract/problem.ts'
import { EVENTS_WAITING_MAX, LISTEN_HUBS_MAX } from './limits.ts'

/**
 * What happens, as it happens: `state` (a device reported), `connection` (a hub came or went), `issued`, `stage` and
 * `outcome` (of commands of any app). `gap`: the client was not connected, and what happened meanwhile is not told.
 */
export type HearthEvent = LiveEvent | { readonly type: 'gap'; readonly gone_ms: number }

export type Subscription = Disposable & { close(): void }

type Listener = { readonly hub: string | undefined; readonly tell: (event: HearthEvent) => void }

export type Events = {
  subscribe(hub: string | undefined, listener: (event: HearthEvent) => void): Subscription
  /** The same as a loop, until it is left or the signal aborts. Raises `limit` when it falls behind, and what `end` was given. */
  loop(hub: string | undefined, signal: AbortSignal): AsyncGenerator<HearthEvent, void>
  /** What a relay is to be told of them at the begin of a session. */
  wanted(): LiveRequest
  take(event: LiveEvent): void
  gap(gone_ms: number): void
  /** No event will come any more: raised in each loop, those to come too. */
  end(problem: Problem): void
}

/** Who listens to which hubs; `changed` is called when that changed. */
export function openEvents(changed: () => void): Events {
  const listeners = new Set<Listener>()
  const loops = new Set<() => void>()
  let ended: Problem | undefined
  const tell = (listener: Listener, event: HearthEvent) => {
    try {
      listener.tell(event)
    } catch (error) {
      // As of an event's listener: a fault of its own, which must not cost the others theirs.
      queueMicrotask(() => {
        throw error
      })
    }
  }
  const subscribe: Events['subscribe'] = (hub, listener) => {
    const one = { hub, tell: listener }
    listeners.add(one)
    changed()
    const close = () => {
      if (listeners.delete(one)) changed()
    }
    return { close, [Symbol.dispose]: close }
  }

  return {
    subscribe,
    async *loop(hub, signal) {
      const waiting: HearthEvent[] = []
      let behind = false
      let wake = () => {}
      const stop = () => wake()
      loops.add(stop)
      const subscription = subscribe(hub, (event) => {
        if (waiting.length < EVENTS_WAITING_MAX) waiting.push(event)
        else behind = true
        wake()
      })
      signal.addEventListener('abort', stop, { once: true })
      try {
        while (!signal.aborted) {
          const next = waiting.shift()
          if (next) yield next
          else if (ended) throw ended
          else if (behind)
            throw new Problem('limit', `the loop fell behind by ${EVENTS_WAITING_MAX} events; read the states again`)
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        subscription.close()
        loops.delete(stop)
        signal.removeEventListener('abort', stop)
      }
    },
    wanted() {
      const hubs = new Set([...listeners].map(({ hub }) => hub))
      const named = [...hubs].filter((hub) => hub !== undefined)
      return named.length < hubs.size || named.length > LISTEN_HUBS_MAX
        ? { type: 'listen' }
        : { type: 'listen', hubs: named }
    },
    take(event) {
      for (const listener of listeners) {
        if (listener.hub === undefined || listener.hub === event.hub) tell(listener, event)
      }
    },
    end(problem) {
      ended = problem
      for (const stop of loops) stop()
    },
    gap(gone_ms) {
      for (const listener of listeners) tell(listener, { type: 'gap', gone_ms })
    },
  }
}
