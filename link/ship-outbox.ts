import type { BatchAnswer } from '../contract/batch.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import { backOff_ms } from './back-off.ts'
import { ANSWER_TIMEOUT_MS, BATCH_TARGET_BYTES, BATCH_TARGET_MIN_BYTES, IN_FLIGHT_MAX, LINGER_MS } from './limits.ts'
import type { Outbox } from './outbox.ts'

export type ShipOptions = {
  readonly outbox: Outbox
  /** One transmission. Raises a Problem when there is no answer; it is repeated then. */
  readonly send: (bytes: Uint8Array, signal: AbortSignal) => Promise<BatchAnswer>
  readonly clock: Clock
  readonly random: Random
  /** Ends the shipping; what is in flight is given back to the outbox. */
  readonly signal: AbortSignal
  /** How long a stream's events wait for company. */
  readonly linger_ms?: (stream: string) => number
  /** Batches of one stream in flight. */
  readonly in_flight_max?: number
  readonly acknowledged?: (batch: { boot: string; stream: string; first: number; count: number }) => void
  readonly refused?: (batch: { boot: string; stream: string; first: number; count: number }, reason: string) => void
  /** A transmission found no answer; another follows after the back-off. */
  readonly failed?: (error: unknown) => void
}

export type Shipper = {
  /** Sends what is gathered without waiting for company; resolves when all of it is acknowledged. */
  flush(): Promise<void>
  /** Resolves when the signal aborted and nothing is in flight any more. */
  readonly done: Promise<void>
}

/**
 * Sends the outbox, most important stream first, with a few batches in flight for each. Before a batch leaves for the
 * first time it is synced. A link that fails or is slow gets smaller batches, a quick one larger again.
 */
export function shipOutbox(options: ShipOptions): Shipper {
  const { outbox, clock, random, signal } = options
  const in_flight_max = options.in_flight_max ?? IN_FLIGHT_MAX
  const inFlight = new Map<string, number>()
  /** Streams whose events have waited long enough, and when the others will have (monotonic, ms). */
  const due = new Set<string>(outbox.streams)
  const lingering = new Map<string, () => void>()
  const flushing = new Set<() => void>()
  let failures = 0
  let target_bytes = BATCH_TARGET_BYTES
  let paused = false
  let cancelPause: () => void = () => undefined
  let finish: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })

  const unwatch = outbox.watch((stream) => {
    if (due.has(stream) || lingering.has(stream)) return
    linger(stream)
    // A full batch need not wait.
    pump()
  })
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  else pump()

  function linger(stream: string) {
    const cancel = clock.timer(options.linger_ms?.(stream) ?? LINGER_MS, () => {
      lingering.delete(stream)
      due.add(stream)
      pump()
    })
    lingering.set(stream, cancel)
  }

  function pump() {
    if (paused || signal.aborted) return
    for (const stream of outbox.streams) {
      while ((inFlight.get(stream) ?? 0) < (failures > 0 ? 1 : in_flight_max)) {
        if (!start(stream)) break
      }
      // While the most important stream cannot get through, the others do not crowd it.
      if (failures > 0 && inFlight.size > 0) return
    }
    if (flushing.size > 0 && inFlight.size === 0 && !outbox.streams.some((stream) => outbox.pending(stream))) {
      for (const resolve of flushing) resolve()
      flushing.clear()
    }
  }

  /** Sends the stream's next batch, if there is one. */
  function start(stream: string): boolean {
    let batch: ReturnType<Outbox['take']>
    try {
      batch = outbox.take(stream, { flush: due.has(stream) || flushing.size > 0 })
    } catch (error) {
      if (!isProblem(error)) throw error
      backOff(error)
      return false
    }
    if (!batch) {
      due.delete(stream)
      return false
    }
    inFlight.set(stream, (inFlight.get(stream) ?? 0) + 1)
    void transmit(stream, batch).finally(() => {
      const left = (inFlight.get(stream) ?? 1) - 1
      if (left > 0) inFlight.set(stream, left)
      else inFlight.delete(stream)
      if (signal.aborted) stop()
      else pump()
    })
    return true
  }

  async function transmit(stream: string, batch: NonNullable<ReturnType<Outbox['take']>>) {
    const begun_ms = clock.monotonic()
    const abort = new AbortController()
    const cancel = clock.timer(ANSWER_TIMEOUT_MS, () => abort.abort())
    let ended = false
    try {
      await outbox.sync()
      const transmission = outbox.transmit(batch)
      const answer = await options.send(transmission.bytes, AbortSignal.any([signal, abort.signal]))
      if (answer.kind === 'durable') {
        outbox.acknowledge(transmission)
        ended = true
        options.acknowledged?.(batch)
        adapt(clock.monotonic() - begun_ms)
        failures = 0
      } else {
        outbox.refuse(transmission)
        ended = true
        options.refused?.(batch, answer.reason)
        // An empty batch that is refused would be made again at once.
        if (batch.count === 0) backOff(undefined)
      }
      if (outbox.pending(stream) && !due.has(stream) && !lingering.has(stream)) linger(stream)
    } catch (error) {
      // Also when the answer could not be written down, as on a full disk: it is sent, and answered, again.
      if (!ended) outbox.release(batch)
      if (!isProblem(error)) throw error
      retarget(target_bytes / 2)
      due.add(stream)
      if (!signal.aborted) backOff(error)
    } finally {
      cancel()
    }
  }

  function adapt(answer_ms: number) {
    if (answer_ms > 5_000) retarget(target_bytes / 2)
    else if (answer_ms < 1_000) retarget(target_bytes * 2)
  }

  function retarget(bytes: number) {
    target_bytes = Math.min(Math.max(bytes, BATCH_TARGET_MIN_BYTES), BATCH_TARGET_BYTES)
    outbox.retarget(target_bytes)
  }

  function backOff(error: unknown) {
    if (error !== undefined) options.failed?.(error)
    if (paused) return
    paused = true
    failures++
    cancelPause = clock.timer(backOff_ms(failures, random.float()), () => {
      paused = false
      pump()
    })
  }

  function stop() {
    unwatch()
    cancelPause()
    for (const cancel of lingering.values()) cancel()
    lingering.clear()
    if (inFlight.size === 0) finish()
  }

  return {
    flush() {
      return new Promise((resolve) => {
        flushing.add(resolve)
        pump()
      })
    },
    done,
  }
}
