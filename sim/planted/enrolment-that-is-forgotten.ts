import type { Plant } from '../plant.ts'

/** That an erased hub was enrolled anew is known in the attempt that hears of it, and to no later one. */
export const enrolmentThatIsForgotten: Plant = {
  name: 'an enrolment that is forgotten',
  breaks: 'who comes back is told of',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      return { ...encoding, finish: async (shape) => ({ ...(await encoding.finish(shape)), enrolled_ms: new Map() }) }
    },
  }),
}
