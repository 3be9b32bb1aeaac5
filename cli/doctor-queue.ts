import { messageOf } from '../contract/problem.ts'
import { placeText } from '../contract/redis-place.ts'
import { queueState } from '../jobs/queue-state.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { existingLake } from './fleet.ts'
import { queuePlace } from './jobs-queue.ts'

const check = 'job queue'

/** The Redis of the job queue: does it answer and keep what it is given, and are schedulers there? Nothing is changed. */
export async function queueFindings(
  context: Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>,
): Promise<readonly Finding[]> {
  const { clock } = context
  try {
    const place = queuePlace(context)
    if (!place) return []
    // A lake that is not there is told by its own check.
    const lake = await existingLake(context).catch(() => ({ id: 'none' }))
    const { version, drops_keys, schedulers, next_ms } = await queueState(clock, place, lake.id)
    const due =
      next_ms === undefined ? '' : `, next look in ${Math.max(0, (next_ms - clock.now()) / 1000).toFixed(0)} s`
    const found = `Redis ${version} at ${placeText(place)} answers; ${schedulers} schedulers${due}`
    if (drops_keys) {
      const advice = 'set its maxmemory-policy to noeviction: it may drop the schedule, which is then put anew'
      return [{ check, state: 'warning', found: `${found}; it drops keys when it is full`, advice }]
    }
    if (schedulers > 0) return [{ check, state: 'good', found }]
    return [{ check, state: 'warning', found, advice: 'hearth jobs scheduler starts one' }]
  } catch (error) {
    return [{ check, state: 'bad', found: messageOf(error), advice: 'docs/jobs.md has what Redis needs' }]
  }
}
