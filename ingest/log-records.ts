import { isProblem, messageOf } from '../contract/problem.ts'
import type { EventLog, Positioned } from './event-log.ts'
import { LOG_READ_BYTES } from './limits.ts'

/** A record of the log, or why the one at that position cannot be read. */
export type Found = Positioned | { readonly position: number; readonly unreadable: string }

/** All that the log holds of a bucket now. A record that is `corrupt` is told and passed over; whatever else fails is raised. */
export async function* logRecords(log: EventLog, bucket: number): AsyncGenerator<Found> {
  const { first, next } = await log.bounds(bucket)
  for (let from = first; from < next; ) {
    const found = await log.read(bucket, from, LOG_READ_BYTES).catch((error: unknown): readonly Found[] => {
      if (!isProblem(error, 'corrupt')) throw error
      return [{ position: from, unreadable: messageOf(error) }]
    })
    yield* found
    const last = found.at(-1)
    if (!last) return
    from = last.position + 1
  }
}
