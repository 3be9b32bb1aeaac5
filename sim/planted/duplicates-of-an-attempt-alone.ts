import { union } from '../../contract/interval.ts'
import type { Plant } from '../plant.ts'

/** Duplicates are looked for in the attempt that they come in, and not in what was stored before. */
export const duplicatesOfAnAttemptAlone: Plant = {
  name: 'duplicates of one attempt alone',
  breaks: 'nothing is doubled',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      const seen = new Set<string>()
      return {
        ...encoding,
        add(batch) {
          if (!batch.header || batch.listener === 'replay') return encoding.add(batch)
          const { boot, stream, first, count } = batch.header
          const name = `${batch.source} ${boot} ${stream} ${first}`
          const isNew = !seen.has(name)
          seen.add(name)
          return encoding.add({ ...batch, take: isNew && count > 0 ? union(batch.take, [[0, count]]) : batch.take })
        },
      }
    },
  }),
}
