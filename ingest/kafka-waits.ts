import { type Clock, sleep } from '../contract/clock.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { type KafkaFetch, OFFSET_OUT_OF_RANGE, type Wanted } from './kafka-fetch.ts'
import { kafkaProblem, kafkaReasons } from './kafka-problem.ts'
import type { KafkaReader } from './kafka-reader.ts'
import { KAFKA_AHEAD_BYTES, KAFKA_MISSING_MS, KAFKA_POLL_MS, KAFKA_RETRY_MAX_MS } from './limits.ts'

type Waiter = { readonly bucket: number; readonly from: number; resolve(): void; reject(error: unknown): void }

export type KafkaWaits = {
  waitFor(bucket: number, from: number, signal: AbortSignal): Promise<void>
  /** Those that wait raise `problem`. */
  end(problem: Error): void
  /** The log is another one. */
  forget(): void
}

const WAITED_FOR_MS = 2_000

/**
 * Waits for records of any number of buckets with one request a broker, which the broker holds until one is there. What
 * it brings is kept for the read that follows. Brokers that cannot be reached are waited for.
 */
export function kafkaWaits(options: {
  readonly cluster: KafkaCluster
  readonly fetch: KafkaFetch
  readonly reader: KafkaReader
  readonly clock: Clock
}): KafkaWaits {
  const { cluster, fetch, reader, clock } = options
  const waiters = new Set<Waiter>()
  const polling = new Set<number>()
  /** By bucket: the position after its last record, as last heard. Nothing can be asked for past it. */
  const ends = new Map<number, number>()
  /** By bucket: when it was last waited for. A reader that took something will soon wait again. */
  const asked_ms = new Map<number, number>()
  let gathering = false
  let unknown_ms: number | undefined

  /** Everything that waits is waited for by some poll, once those that ask in this turn of the event loop have asked. */
  function gather(): void {
    if (gathering) return
    gathering = true
    queueMicrotask(() => void assign())
  }

  async function assign(): Promise<void> {
    gathering = false
    try {
      for (const bucket of new Set([...waiters].map((one) => one.bucket))) {
        const leader = await fetch.leaderOf(bucket)
        if (!polling.has(leader)) void poll(leader)
      }
      unknown_ms = undefined
    } catch (error) {
      gathering = true
      await failed(error)
      gathering = false
      if (waiters.size > 0) gather()
    }
  }

  async function failed(failure: unknown): Promise<void> {
    const { passing, unknown } = kafkaReasons(failure)
    unknown_ms = unknown ? (unknown_ms ?? clock.monotonic()) : undefined
    const missing = unknown_ms !== undefined && clock.monotonic() - unknown_ms >= KAFKA_MISSING_MS
    if (!passing || missing) end(kafkaProblem(`waiting for records of topic ${cluster.name}`, failure))
    else {
      await sleep(clock, KAFKA_RETRY_MAX_MS)
      await cluster.topic(true).catch(() => undefined)
    }
  }

  async function poll(leader: number): Promise<void> {
    polling.add(leader)
    try {
      for (let wanted = await wantedOf(leader); wanted.length > 0; wanted = await wantedOf(leader)) {
        for (const answer of await fetch.fetch('wait', leader, wanted, KAFKA_POLL_MS, KAFKA_AHEAD_BYTES / 8)) {
          const { partitionIndex: bucket, errorCode } = answer
          if (errorCode === OFFSET_OUT_OF_RANGE) ends.set(bucket, (await fetch.bounds(bucket)).next)
          else if (errorCode !== 0) throw new cluster.kafka.ProtocolError(errorCode)
          else {
            ends.set(bucket, Number(answer.highWatermark) + 1)
            const asked = wanted.find((one) => one.bucket === bucket)
            if (asked) reader.feed(bucket, asked.from, answer)
          }
          settle(bucket)
        }
      }
    } catch (error) {
      await failed(error)
    } finally {
      polling.delete(leader)
    }
    if (waiters.size > 0) gather()
  }

  /** The ends of this leader's buckets that are waited for, or were just now. */
  async function wantedOf(leader: number): Promise<readonly Wanted[]> {
    const lowest = new Map<number, number>()
    for (const { bucket, from } of waiters) lowest.set(bucket, Math.min(from, lowest.get(bucket) ?? from))
    const wanted: Wanted[] = []
    for (const [bucket, at_ms] of asked_ms) {
      const from = ends.get(bucket) ?? lowest.get(bucket)
      const over = !lowest.has(bucket) && clock.monotonic() - at_ms > WAITED_FOR_MS
      if (over || from === undefined) asked_ms.delete(bucket)
      else if ((await fetch.leaderOf(bucket)) === leader) wanted.push({ bucket, from })
    }
    return wanted
  }

  function settle(bucket: number): void {
    for (const one of waiters) if (one.bucket === bucket && (ends.get(bucket) ?? 0) > one.from) one.resolve()
  }

  function end(problem: Error): void {
    for (const one of waiters) one.reject(problem)
  }

  return {
    waitFor(bucket, from, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted || (ends.get(bucket) ?? 0) > from) {
          resolve()
          return
        }
        const done = () => {
          waiters.delete(waiter)
          signal.removeEventListener('abort', stop)
        }
        const stop = () => {
          done()
          resolve()
        }
        const fail = (error: unknown) => {
          done()
          reject(error instanceof Error ? error : new Error(String(error)))
        }
        const waiter = { bucket, from, resolve: stop, reject: fail }
        waiters.add(waiter)
        asked_ms.set(bucket, clock.monotonic())
        signal.addEventListener('abort', stop, { once: true })
        gather()
      })
    },
    end,
    forget: () => ends.clear(),
  }
}
