import type { Clock } from '../contract/clock.ts'
import { placeText, type RedisPlace } from '../contract/redis-place.ts'
import { type Claims, openClaims } from '../jobs/claims.ts'
import { QUEUE_AWAY_MAX_MS } from '../jobs/limits.ts'
import { runQueueSchedule } from '../jobs/queue-schedule.ts'
import { runSchedule, type ScheduleOptions } from '../jobs/schedule.ts'
import type { Lake } from '../lake/lake.ts'
import type { CliContext } from './context.ts'
import type { Log } from './log.ts'
import { redisPlace } from './redis-setting.ts'

/** The Redis of the job queue as it is configured; undefined where there is none. Raises `invalid` for its files. */
export function queuePlace({ config }: Pick<CliContext, 'config'>): RedisPlace | undefined {
  const { queue, queue_ca_file, queue_password_file } = config.jobs
  return redisPlace('jobs.queue', { url: queue, ca_file: queue_ca_file, password_file: queue_password_file })
}

/** What this scheduler shares with others of its lake. */
export type Sharing = {
  /** Why it cannot share its work now; undefined when it can, or has none to share it with. */
  readonly away: string | undefined
  /** Did the first try to reach what it shares it through come to something? */
  readonly reached: Promise<boolean>
  /** Makes what is due until the signal aborts. */
  run(schedule: ScheduleOptions): Promise<void>
  /** See `Claims`; absent where there is nobody to share with. */
  readonly claim?: Claims['claim']
  [Symbol.dispose](): void
}

/** The schedule of this process alone. */
export function workAlone(): Sharing {
  return { away: undefined, reached: Promise.resolve(true), run: runSchedule, [Symbol.dispose]: () => undefined }
}

/** A schedule that is shared through Redis. */
export async function shareWork(
  place: RedisPlace,
  { clock, lake, log }: { readonly clock: Clock; readonly lake: Pick<Lake, 'id'>; readonly log: Log },
): Promise<Sharing> {
  const claims = await openClaims(clock, place, lake.id)
  let away: string | undefined
  return {
    get away() {
      return away
    },
    reached: claims.reached,
    run: (schedule) =>
      runQueueSchedule({
        ...{ ...schedule, redis: place, lake_id: lake.id },
        lost({ message }) {
          away = message
          log.warn('queue-lost', `${message}; after ${QUEUE_AWAY_MAX_MS / 1000} s this scheduler works by itself`)
        },
        found() {
          away = undefined
          log.info('queue-found', 'the job queue is there again: schedulers share the work')
        },
        alone: () =>
          log.warn('queue-alone', 'the job queue is still away: this scheduler works by itself until it is back'),
        drops: (policy) => log.warn('queue-drops', dropsText(place, policy)),
        trouble: ({ message }) => log.debug('queue-trouble', message),
      }),
    claim: claims.claim,
    [Symbol.dispose]: () => claims.close(),
  }
}

function dropsText(place: RedisPlace, policy: string): string {
  return `${placeText(place)} drops keys when it is full (maxmemory-policy ${policy}), of the schedule too, which is then put anew: set its maxmemory-policy to noeviction`
}
