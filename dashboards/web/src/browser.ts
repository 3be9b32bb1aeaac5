import { signal } from '@preact/signals'
import type { Clock } from '../../../contract/clock.ts'

/** The browser's clocks and timers: the only place of the web app that names them. */
export const browserClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (delay_ms, callback) => {
    const timer = window.setTimeout(callback, delay_ms)
    return () => window.clearTimeout(timer)
  },
}

const TICK_MS = 15_000

/** The wall clock, moved on each TICK_MS: what relative time ranges and ages are counted from. */
export const now = signal(browserClock.now())

function tick(): void {
  now.value = browserClock.now()
  browserClock.timer(TICK_MS, tick)
}
browserClock.timer(TICK_MS, tick)

/** A key for a request that must happen once: RFC 9562 version 4. */
export function randomKey(): string {
  return crypto.randomUUID()
}

export function remember(name: string, value: string): void {
  localStorage.setItem(`hearth.${name}`, value)
}

export function remembered(name: string): string | undefined {
  return localStorage.getItem(`hearth.${name}`) ?? undefined
}

/** A touch that is felt, where the device can. */
export function buzz(): void {
  if ('vibrate' in navigator) navigator.vibrate(8)
}
