import type { Plant } from '../plant.ts'
import { ackBeforeSync } from './ack-before-sync.ts'
import { executedAgain } from './executed-again.ts'
import { highWaterMark } from './high-water-mark.ts'
import { lateCalledFailed } from './late-called-failed.ts'
import { offsetOutsideCommit } from './offset-outside-commit.ts'

/** A new planted bug is a file of its own and a line here. */
export const PLANTS: readonly Plant[] = [
  ackBeforeSync,
  highWaterMark,
  offsetOutsideCommit,
  lateCalledFailed,
  executedAgain,
]
