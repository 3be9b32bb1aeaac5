import type { Plant } from '../plant.ts'

/** A replay stores its event whether or not another replay has stored it. */
export const replayThatDoubles: Plant = {
  name: 'replay that doubles',
  breaks: 'nothing is doubled',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      return {
        ...encoding,
        add: (batch) => encoding.add(batch.listener === 'replay' ? { ...batch, take: [[0, 1]] } : batch),
      }
    },
  }),
}
