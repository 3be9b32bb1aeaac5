/** The two clocks and the timer that code may use. Only `cli/` has the machine's; tests and `sim/` have their own. */
export type Clock = {
  /** Wall clock, whole ms since 1970 UTC. It can jump. Never subtract two of them to get a duration. */
  now(): number
  /** Monotonic clock, ms with fraction, from an origin of its own. Only differences mean anything. */
  monotonic(): number
  /** Calls `callback` once after `delay_ms`; the returned function cancels it. */
  timer(delay_ms: number, callback: () => void): () => void
}

/** The one source of chance. */
export type Random = {
  /** Uniform in [0, 1). */
  float(): number
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

/** Resolves after `delay_ms` of `clock`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delay_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const abort = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.timer(delay_ms, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** A version 4 UUID from `random` (RFC 9562 section 5.4). */
export function uuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** `count` random bytes as lower-case hex. */
export function randomHex(random: Random, count: number): string {
  return Buffer.from(random.bytes(count)).toString('hex')
}

/** The same numbers from the same seed (mulberry32, Tommy Ettinger, public domain). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { float, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)) }
}

/** Calls `act` again and again, so long apart. Returns what ends it. */
export function every(clock: Clock, interval_ms: number, act: () => void): () => void {
  const tick = () => {
    act()
    cancel = clock.timer(interval_ms, tick)
  }
  let cancel = clock.timer(interval_ms, tick)
  return () => cancel()
}
