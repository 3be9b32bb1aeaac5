import type { Invariant } from '../evidence.ts'
import { executedAtMostOnce } from './executed-at-most-once.ts'
import { nothingAcknowledgedIsMissing } from './nothing-acknowledged-is-missing.ts'
import { nothingIsDoubled } from './nothing-is-doubled.ts'
import { oneTrueOutcome } from './one-true-outcome.ts'
import { positionsAreContiguous } from './positions-are-contiguous.ts'
import { rangesEqualRows } from './ranges-equal-rows.ts'
import { theAccountSums } from './the-account-sums.ts'

/** A new invariant is a file of its own and a line here. */
export const INVARIANTS: readonly Invariant[] = [
  nothingAcknowledgedIsMissing,
  nothingIsDoubled,
  theAccountSums,
  rangesEqualRows,
  positionsAreContiguous,
  executedAtMostOnce,
  oneTrueOutcome,
]
