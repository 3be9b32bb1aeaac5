/** What the client needs of the platform that it runs on: all of it is in browsers, and in Node 22 and later. */
import type { Clock } from '../contract/clock.ts'

/** As much of a WebSocket as is used: the browsers', Node's, that of the package `ws`. */
export type WebSocketLike = {
  send(data: string): void
  close(code?: number, reason?: string): void
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

export type FetchLike = (
  url: string,
  init: {
    method: string
    headers: Record<string, string>
    body?: string
    credentials?: 'same-origin'
    signal?: AbortSignal
  },
) => Promise<{ readonly status: number; readonly ok: boolean; json(): Promise<unknown> }>

/** Clocks, timers and chance of the platform: the only place of the client that names them. */
export const platformClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (delay_ms, callback) => {
    const timer = setTimeout(callback, delay_ms)
    return () => clearTimeout(timer)
  },
}

export const chance = (): number => Math.random()

/** 128 bits as hex. `crypto.randomUUID` is not there on pages that came without encryption. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Calls back when the page comes to the front or the network is back; does nothing where there is no page. */
export function onWakeUp(callback: () => void): () => void {
  const { addEventListener, removeEventListener, document } = globalThis as {
    addEventListener?: (type: string, listener: () => void) => void
    removeEventListener?: (type: string, listener: () => void) => void
    document?: { hidden: boolean } & Pick<EventTarget, 'addEventListener' | 'removeEventListener'>
  }
  if (!addEventListener || !removeEventListener || !document) return () => undefined
  const shown = () => {
    if (!document.hidden) callback()
  }
  addEventListener('online', callback)
  document.addEventListener('visibilitychange', shown)
  return () => {
    removeEventListener('online', callback)
    document.removeEventListener('visibilitychange', shown)
  }
}
