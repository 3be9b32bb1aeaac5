import type { Plant } from '../plant.ts'

/** Reads on from where it last read, as a consumer's own offset would have it, though what it read was never committed. */
export const gapAfterAFailedAttempt: Plant = {
  name: 'gap after a failed attempt',
  breaks: 'positions are contiguous',
  log: (log, who) => {
    const read = new Map<number, number>()
    return {
      ...log,
      async read(bucket, from, maxBytes) {
        if (!who.startsWith('writer')) return await log.read(bucket, from, maxBytes)
        const records = await log.read(bucket, Math.max(from, (read.get(bucket) ?? 0) + 1), maxBytes)
        const last = records.at(-1)
        if (last) read.set(bucket, last.position)
        return records
      },
    }
  },
}
