import type { Plant } from '../plant.ts'

/** A log that was trimmed to nothing counts from 1 again (SQLite without AUTOINCREMENT). */
export const positionsUsedAgain: Plant = {
  name: 'positions used again',
  breaks: 'the log follows on the table',
  log: (log, _, shared) => {
    const key = (bucket: number) => `${log.id} ${bucket}`
    /** How many positions were given out before the count began again. */
    const before = (bucket: number) => shared.get(key(bucket)) ?? 0
    return {
      ...log,
      append: async (bucket, record) => (await log.append(bucket, record)) - before(bucket),
      async read(bucket, from, maxBytes) {
        const records = await log.read(bucket, from + before(bucket), maxBytes)
        return records.map(({ position, record }) => ({ position: position - before(bucket), record }))
      },
      async trim(bucket, to) {
        await log.trim(bucket, to + before(bucket))
        const { first, next } = await log.bounds(bucket)
        if (first === next) shared.set(key(bucket), next - 1)
      },
      async bounds(bucket) {
        const { first, next } = await log.bounds(bucket)
        return { first: first - before(bucket), next: next - before(bucket) }
      },
      waitFor: (bucket, from, signal) => log.waitFor(bucket, from + before(bucket), signal),
    }
  },
}
