import { messageOf } from '../contract/problem.ts'
import { placeText } from '../contract/redis-place.ts'
import { lookAtDirectory } from '../relay/redis-directory.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { directoryPlace } from './relay-cluster.ts'

const check = 'directory'

/** The Redis by which relays find the hubs of each other: does it answer, and which relays live? */
export async function directoryFindings(context: Pick<CliContext, 'config'>): Promise<readonly Finding[]> {
  try {
    const place = directoryPlace(context)
    if (!place) return []
    const names = (await lookAtDirectory(place, context.config.fleet)).map(({ relay }) => relay).sort()
    const found = `${placeText(place)} answers; relays that live: ${names.join(', ') || 'none'}`
    if (names.length > 0) return [{ check, state: 'good', found }]
    return [{ check, state: 'warning', found, advice: 'hearth relay starts one' }]
  } catch (error) {
    const advice = 'docs/operations.md, "Several relays": commands go on where app and hub are at one relay'
    return [{ check, state: 'bad', found: messageOf(error), advice }]
  }
}
