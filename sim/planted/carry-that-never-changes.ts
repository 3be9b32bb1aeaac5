import type { Plant } from '../plant.ts'
import { hashed } from './hashed.ts'

/** Hours leave to the next what has always the same hash, so that none is made anew for what is late in the one before. */
export const carryThatNeverChanges: Plant = {
  name: 'a carry that never changes',
  breaks: 'metrics equal a recompute',
  benches: hashed((hash) => ({ ...hash, out: hash.out && 'same' })),
}
