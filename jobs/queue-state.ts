import type { Clock } from '../contract/clock.ts'
import type { RedisPlace } from '../contract/redis-place.ts'
import { QUEUE_PREFIX, queueName, TICK } from './queue-schedule.ts'
import { answerOf, dropsKeys, infoOf, openRedis } from './redis.ts'

/** The job queue as somebody finds it who only looks. */
export type QueueState = {
  /** Of Redis, as `7.0.15`. */
  readonly version: string
  /** Redis drops keys when it is full, whichever they are. */
  readonly drops_keys: boolean
  /** Schedulers that are connected. */
  readonly schedulers: number
  /** When the next tick is due; undefined when none is. */
  readonly next_ms: number | undefined
}

/** Looks at the queue of a lake and changes nothing. Raises `unavailable`, in words. */
export async function queueState(clock: Clock, place: RedisPlace, lake_id: string): Promise<QueueState> {
  const { Queue } = await import('bullmq')
  const connection = await openRedis(place)
  const { client } = connection
  const queue = new Queue(queueName(lake_id), { connection: client, prefix: QUEUE_PREFIX, skipMetasUpdate: true })
  queue.on('error', () => undefined) // told by who asks
  const look = async (): Promise<QueueState> => {
    const info = await infoOf(connection)
    const scheduler = await queue.getJobScheduler(TICK)
    return {
      version: info.get('redis_version') ?? 'of no known version',
      drops_keys: dropsKeys(info),
      schedulers: await queue.getWorkersCount(),
      next_ms: scheduler?.next,
    }
  }
  try {
    return await answerOf(clock, place, connection, look())
  } finally {
    connection.end()
  }
}
