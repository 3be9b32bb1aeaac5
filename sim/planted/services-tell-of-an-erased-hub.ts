import type { Plant } from '../plant.ts'

/** What an erased hub sends is left out, and what services tell of it is kept. */
export const servicesTellOfAnErasedHub: Plant = {
  name: 'services tell of an erased hub',
  breaks: 'what is erased stays erased',
  encoder: (encoder) => ({ ...encoder, begin: () => encoder.begin() }),
}
