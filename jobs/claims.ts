import type { Clock } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import type { RedisPlace } from '../contract/redis-place.ts'
import { QUEUE_PREFIX, queueName } from './queue-schedule.ts'
import { answerOf, openRedis } from './redis.ts'

/** Which of several schedulers does what is to be done once a period. */
export type Claims = {
  /** True for one of them a period, the first that asks; true for each while Redis is away. */
  claim(task: string, period_ms: number, signal: AbortSignal): Promise<boolean>
  /** See `RedisConnection`. */
  readonly reached: Promise<boolean>
  close(): void
}

/** A claim ends before the next time of who has it comes: with its own clock, it is a little early or late. */
const PART_OF_PERIOD = 0.9

/** Claims of the schedulers of one lake. */
export async function openClaims(clock: Clock, place: RedisPlace, lake_id: string): Promise<Claims> {
  const connection = await openRedis(place)
  return {
    async claim(task, period_ms, signal) {
      const key = `${QUEUE_PREFIX}:${queueName(lake_id)}:claims:${task}`
      const put = connection.client.set(key, '', 'PX', Math.ceil(period_ms * PART_OF_PERIOD), 'NX')
      try {
        return (await answerOf(clock, place, connection, put, signal)) === 'OK'
      } catch (error) {
        if (!isProblem(error)) throw error
        return !signal.aborted
      }
    },
    reached: connection.reached,
    close: () => connection.end(),
  }
}
