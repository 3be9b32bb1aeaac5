/** The schedule of many schedulers: ticks come from a queue in Redis, one at a time, to whichever scheduler is free. */
import { sleep } from '../contract/clock.ts'
import { isProblem, type Problem } from '../contract/problem.ts'
import type { RedisPlace } from '../contract/redis-place.ts'
import {
  QUEUE_AWAY_MAX_MS,
  QUEUE_CLOSE_MAX_MS,
  QUEUE_EVENTS_MAX,
  QUEUE_LOCK_MS,
  QUEUE_LOOK_MS,
  QUEUE_STALLED_MS,
} from './limits.ts'
import { answerOf, dropsKeys, infoOf, openRedis } from './redis.ts'
import { type ScheduleOptions, tick } from './schedule.ts'

export type QueueScheduleOptions = ScheduleOptions & {
  readonly redis: RedisPlace
  readonly lake_id: string
  /** In place of QUEUE_AWAY_MAX_MS: for tests. */
  readonly away_max_ms?: number
  /** Redis is away, from now on. */
  readonly lost: (problem: Problem) => void
  /** It is there again. */
  readonly found: () => void
  /** It has been away for too long: this scheduler makes ticks by itself until it is there again. */
  readonly alone: () => void
  /** It drops keys when it is full, by this policy; told once. */
  readonly drops: (policy: string) => void
  /** Something that went wrong with Redis and is tried again. */
  readonly trouble: (error: Error) => void
}

export const QUEUE_PREFIX = 'hearth'
export const TICK = 'tick'

/** Schedulers of one lake share a queue. */
export function queueName(lake_id: string): string {
  return `jobs-${lake_id}`
}

/**
 * Makes what is due until the signal aborts, with any number of other schedulers: of all of them one makes a tick at a
 * time, and what one leaves that dies another makes. A tick plans from the tables, so that one makes up for any number
 * that were missed, and one that is made twice is committed once. Never raises for what Redis does.
 */
export async function runQueueSchedule(options: QueueScheduleOptions): Promise<void> {
  const { clock, interval_ms, signal, away_max_ms = QUEUE_AWAY_MAX_MS, lost, found, alone } = options
  let running: Promise<void> | undefined
  /** The queue's tick and one of this scheduler's own are one when they come together. */
  const work = () => {
    running ??= tick(options).finally(() => {
      running = undefined
    })
    return running
  }
  let session: Session | undefined
  let asked = false
  /** When it is to look by itself, and whether it has begun to. */
  let away: { readonly alone_at_ms: number; readonly told: boolean } | undefined
  while (!signal.aborted) {
    try {
      session ??= await openSession(options, work)
      await session.keep()
      if (away) found()
      away = undefined
      if (!asked) {
        asked = true
        const policy = await session.dropsBy()
        if (policy !== undefined) options.drops(policy)
      }
    } catch (error) {
      if (signal.aborted) break
      if (!isProblem(error)) throw error
      const now_ms = clock.monotonic()
      if (!away) lost(error)
      away ??= { alone_at_ms: now_ms + away_max_ms, told: false }
      if (session?.isBroken()) {
        await session.close()
        session = undefined
      }
      if (now_ms >= away.alone_at_ms) {
        if (!away.told) alone()
        away = { alone_at_ms: now_ms + interval_ms, told: true }
        await work()
      }
    }
    await sleep(clock, Math.min(interval_ms, QUEUE_LOOK_MS), signal).catch(() => undefined) // aborted
  }
  await running
  await session?.close()
}

type Session = {
  /** Sees to it that the schedule stands in Redis. Raises `unavailable`. */
  keep(): Promise<void>
  /** The policy by which Redis drops keys; undefined where it does not, or does not say. */
  dropsBy(): Promise<string | undefined>
  /** Redis refused, and did not just not answer: it is better made anew. */
  isBroken(): boolean
  close(): Promise<void>
}

async function openSession(options: QueueScheduleOptions, work: () => Promise<void>): Promise<Session> {
  const { clock, redis, lake_id, interval_ms, signal, trouble } = options
  const { Queue, Worker } = await import('bullmq')
  const connection = await openRedis(redis)
  const name = queueName(lake_id)
  // With the check BullMQ writes to the console what it thinks of the policy; without it a tick comes at whole seconds.
  const common = { connection: connection.client, prefix: QUEUE_PREFIX, skipVersionCheck: true }
  const queue = new Queue(name, { ...common, streams: { events: { maxLen: QUEUE_EVENTS_MAX } } })
  // How often a tick may be lost (maxStalledCount) is not set: of what a schedule puts BullMQ keeps no such count.
  const worker = new Worker(name, work, {
    ...{ ...common, concurrency: 1, lockDuration: QUEUE_LOCK_MS, lockRenewTime: QUEUE_LOCK_MS / 3 },
    ...{ stalledInterval: QUEUE_STALLED_MS, removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } },
  })
  queue.on('error', () => undefined) // of the connection that the worker has too
  worker.on('error', trouble)
  let keeping: Promise<unknown> | undefined
  let broken = false

  /** Putting it again changes nothing that stands; it is put anew where Redis has forgotten. */
  async function put(): Promise<void> {
    await queue.setGlobalConcurrency(1)
    const opts = { removeOnComplete: true, removeOnFail: true }
    await queue.upsertJobScheduler(TICK, { every: interval_ms }, { name: TICK, opts })
  }

  return {
    async keep() {
      // One that waits for Redis to come back is enough.
      keeping ??= put()
        .catch((error: unknown) => {
          broken = true
          throw error
        })
        .finally(() => {
          keeping = undefined
        })
      await answerOf(clock, redis, connection, keeping, signal)
    },
    async dropsBy() {
      try {
        const info = await answerOf(clock, redis, connection, infoOf(connection), signal)
        return dropsKeys(info) ? info.get('maxmemory_policy') : undefined
      } catch (error) {
        if (!isProblem(error)) throw error
        return undefined
      }
    },
    isBroken: () => broken,
    async close() {
      const closed = Promise.allSettled([worker.close(), queue.close()])
      const limit = new AbortController()
      await Promise.race([closed, sleep(clock, QUEUE_CLOSE_MAX_MS, limit.signal).catch(() => undefined)])
      limit.abort()
      // What still waits for Redis, waits for nobody: a worker that never reached it does not come to its own end.
      connection.end()
    },
  }
}
