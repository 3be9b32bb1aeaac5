import type { Plant } from '../plant.ts'

/** A bucket that ended at the limit of dates is told as taken to the last batch that was read. */
export const pastTheLimitOfDates: Plant = {
  name: 'past the limit of dates',
  breaks: 'positions are contiguous',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      const through = new Map<number, number>()
      return {
        ...encoding,
        async add(batch) {
          through.set(batch.bucket, batch.position)
          await encoding.add(batch)
        },
        finish: async (shape) => ({ ...(await encoding.finish(shape)), through }),
      }
    },
  }),
}
