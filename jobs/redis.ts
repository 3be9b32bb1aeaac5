/** How the Redis of the job queue is reached. */
import type { Redis, RedisOptions } from 'ioredis'
import { type Clock, sleep } from '../contract/clock.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { type RedisPlace, redisAddress, redisTrouble } from '../contract/redis-place.ts'
import {
  QUEUE_ANSWER_MAX_MS,
  QUEUE_CLOSE_MAX_MS,
  QUEUE_RETRY_FIRST_MS,
  QUEUE_RETRY_MAX_MS,
  QUEUE_SILENT_MAX_MS,
} from './limits.ts'

export type RedisConnection = {
  readonly client: Redis
  /** Did the first try to connect come to something? */
  readonly reached: Promise<boolean>
  /** Why it is not there, as far as is known. */
  reason(): string
  /** Ends it and all that were made from it; what waits for an answer is refused. */
  end(): void
}

const NO_ANSWER = 'no answer'

/** Connects, and connects again with back-off for as long as it is not ended; what it is asked meanwhile waits. */
export async function openRedis(place: RedisPlace): Promise<RedisConnection> {
  const { Redis } = await import('ioredis')
  const settings: RedisOptions = {
    ...redisAddress(place),
    maxRetriesPerRequest: null,
    connectTimeout: QUEUE_ANSWER_MAX_MS,
    disconnectTimeout: QUEUE_CLOSE_MAX_MS,
    socketTimeout: QUEUE_SILENT_MAX_MS,
    retryStrategy: (times) => Math.min(QUEUE_RETRY_MAX_MS, QUEUE_RETRY_FIRST_MS * 2 ** Math.min(times, 10)),
  }
  const all: Redis[] = []
  let last = NO_ANSWER
  const connect = (more: Partial<RedisOptions> = {}): Redis => {
    const redis = new Redis({ ...settings, ...more })
    redis.on('error', (error: Error) => {
      last = messageOf(error)
    })
    redis.on('ready', () => {
      last = NO_ANSWER
    })
    redis.duplicate = connect
    all.push(redis)
    return redis
  }
  const client = connect()
  const reached = new Promise<boolean>((resolve) => {
    client.once('ready', () => resolve(true))
    client.once('close', () => resolve(false))
  })
  return {
    client,
    reached,
    reason: () => last,
    end() {
      for (const redis of all) {
        const waits = redis.status === 'reconnecting'
        // BullMQ connects a client anew whose silence it was just mending, though it is being closed: nobody would end that.
        redis.connect = () => Promise.reject(new Error('this connection was ended'))
        redis.disconnect()
        // It does not say so itself then, and BullMQ would wait for it for ever.
        if (waits) redis.emit('end')
      }
    },
  }
}

/** What Redis answers to `ask`. Raises `unavailable`, in words, when it does not, or not in time or before the signal. */
export async function answerOf<T>(
  clock: Clock,
  place: RedisPlace,
  { reason }: Pick<RedisConnection, 'reason'>,
  ask: Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const limit = new AbortController()
  const over = AbortSignal.any([limit.signal, ...(signal ? [signal] : [])])
  const late = sleep(clock, QUEUE_ANSWER_MAX_MS, over).then(() => {
    throw new Error(reason())
  })
  late.catch(() => undefined) // told by the race, or nobody's any more
  try {
    return await Promise.race([ask, late])
  } catch (error) {
    throw queueProblem(place, error)
  } finally {
    limit.abort()
  }
}

/** What an error of Redis or of the way to it means, and what to do. */
function queueProblem(place: RedisPlace, error: unknown): Problem {
  return new Problem('unavailable', redisTrouble('the job queue', place, messageOf(error), 'jobs.queue'), {
    cause: error,
  })
}

/** What Redis says of itself: `redis_version`, `maxmemory_policy` … */
export async function infoOf({ client }: Pick<RedisConnection, 'client'>): Promise<ReadonlyMap<string, string>> {
  return new Map((await client.info()).split('\r\n').map((line) => splitAt(line, line.indexOf(':'))))
}

/** Does it drop keys when it is full, whichever they are? */
export function dropsKeys(info: ReadonlyMap<string, string>): boolean {
  return info.get('maxmemory') !== '0' && (info.get('maxmemory_policy') ?? 'noeviction') !== 'noeviction'
}

function splitAt(line: string, at: number): readonly [string, string] {
  return [line.slice(0, Math.max(0, at)), line.slice(at + 1)]
}
