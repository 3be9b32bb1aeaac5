import type { Plant } from '../plant.ts'

const HOUR_MS = 3_600_000
const byHour = ([a, x]: [number, number], [b, y]: [number, number]) => a - b || x - y

/** A commit tells the hours in which its batches were received, as if nothing ever came late. */
export const hoursOfReceiptTold: Plant = {
  name: 'hours of receipt told',
  breaks: 'what is touched is told',
  encoder: (encoder) => ({
    ...encoder,
    async begin(erasedHub) {
      const encoding = await encoder.begin(erasedHub)
      const hours = new Map<string, [number, number]>()
      return {
        ...encoding,
        async add(batch) {
          const hour_ms = Math.floor(batch.received_ms / HOUR_MS) * HOUR_MS
          hours.set(`${hour_ms} ${batch.bucket}`, [hour_ms, batch.bucket])
          await encoding.add(batch)
        },
        async finish(shape) {
          const encoded = await encoding.finish(shape)
          return { ...encoded, touched: { ...encoded.touched, hours: [...hours.values()].sort(byHour) } }
        },
      }
    },
  }),
}
