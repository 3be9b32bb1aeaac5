import type { EncoderBatch } from '../../ingest/encoder.ts'
import type { Plant } from '../plant.ts'

/** Of several transmissions in one attempt the last is stored, as a map by name would have it. */
export const lastInTheLogStored: Plant = {
  name: 'the last in the log is stored',
  breaks: 'the first in the log is stored',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      const batches: EncoderBatch[] = []
      return {
        ...encoding,
        async add(batch) {
          const same = (other: EncoderBatch) =>
            other.source === batch.source &&
            other.header?.boot === batch.header?.boot &&
            other.header?.stream === batch.header?.stream &&
            other.header?.first === batch.header?.first
          const at = batch.header && batch.listener !== 'replay' ? batches.findLastIndex(same) : -1
          const before = batches[at]
          batches.push(before && batch.take.length === 0 ? { ...batch, take: before.take } : batch)
          if (before && batch.take.length === 0) batches[at] = { ...before, take: [] }
        },
        async finish(shape) {
          for (const batch of batches) await encoding.add(batch)
          return await encoding.finish(shape)
        },
      }
    },
  }),
}
