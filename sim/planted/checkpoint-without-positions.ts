import type { Plant } from '../plant.ts'

/** A checkpoint holds the files of the table, and not where its writers stand. */
export const checkpointWithoutPositions: Plant = {
  name: 'checkpoint without positions',
  breaks: 'a reader sees what was committed',
  checkpoints: (codec) => ({ ...codec, encode: (snapshot) => codec.encode({ ...snapshot, txns: new Map() }) }),
}
