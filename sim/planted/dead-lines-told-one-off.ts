import type { Plant } from '../plant.ts'

/** The dead lines of a batch are counted from 1, and told as if from 0. */
export const deadLinesToldOneOff: Plant = {
  name: 'dead lines told one off',
  breaks: 'ranges equal rows',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      return {
        ...encoding,
        async finish(shape) {
          const encoded = await encoding.finish(shape)
          const dead = [...encoded.dead].map(
            ([batch, lines]) => [batch, lines.map(([from, to]) => [from + 1, to + 1] as const)] as const,
          )
          return { ...encoded, dead: new Map(dead) }
        },
      }
    },
  }),
}
