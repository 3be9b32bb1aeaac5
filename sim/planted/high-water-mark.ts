import { intersect } from '../../contract/interval.ts'
import type { Plant } from '../plant.ts'

/** Takes everything below the highest number seen of a stream for a duplicate, instead of keeping ranges. */
export const highWaterMark: Plant = {
  name: 'high-water mark',
  breaks: 'nothing acknowledged is missing',
  encoder: (encoder) => {
    const highest = new Map<string, number>()
    return {
      ...encoder,
      async begin(erasedHub) {
        const encoding = await encoder.begin(erasedHub)
        return {
          ...encoding,
          add(batch) {
            if (!batch.header) return encoding.add(batch)
            const { boot, stream, first, count } = batch.header
            const key = `${batch.source} ${boot} ${stream}`
            const mark = highest.get(key) ?? 0
            highest.set(key, Math.max(mark, first + count))
            return encoding.add({ ...batch, take: intersect(batch.take, [[Math.max(0, mark - first), count]]) })
          },
        }
      },
    }
  },
}
