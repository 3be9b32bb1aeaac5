import type { ControlEvidence, Invariant, RelaysEvidence } from '../evidence.ts'
import { aBatchIsNeverCutAnew } from './a-batch-is-never-cut-anew.ts'
import { aBootIsBegunOnce } from './a-boot-is-begun-once.ts'
import { aPlaceIsOfTheNewestSession } from './a-place-is-of-the-newest-session.ts'
import { aReaderSeesWhatWasCommitted } from './a-reader-sees-what-was-committed.ts'
import { aRowSaysWhatItsLineSaid } from './a-row-says-what-its-line-said.ts'
import { acknowledgedIsDurable } from './acknowledged-is-durable.ts'
import { askedOnceIsIssuedOnce } from './asked-once-is-issued-once.ts'
import { everyNumberIsAccountedFor } from './every-number-is-accounted-for.ts'
import { everyProcessGoesOn } from './every-process-goes-on.ts'
import { executedAtMostOnce } from './executed-at-most-once.ts'
import { executedInTimeAndOrder } from './executed-in-time-and-order.ts'
import { issuedBeforeItIsSent } from './issued-before-it-is-sent.ts'
import { metricsEqualARecompute } from './metrics-equal-a-recompute.ts'
import { noRunIsLeft } from './no-run-is-left.ts'
import { nothingAcknowledgedIsMissing } from './nothing-acknowledged-is-missing.ts'
import { nothingIsDoubled } from './nothing-is-doubled.ts'
import { nothingIsLeftToMake } from './nothing-is-left-to-make.ts'
import { oneRelayHoldsAHub } from './one-relay-holds-a-hub.ts'
import { oneTrueOutcome } from './one-true-outcome.ts'
import { positionsAreContiguous } from './positions-are-contiguous.ts'
import { rangesEqualRows } from './ranges-equal-rows.ts'
import { sentInItsSession } from './sent-in-its-session.ts'
import { theAccountSums } from './the-account-sums.ts'
import { theFirstInTheLogIsStored } from './the-first-in-the-log-is-stored.ts'
import { theLogFollowsOnTheTable } from './the-log-follows-on-the-table.ts'
import { theRangesTellWhatWasSaid } from './the-ranges-tell-what-was-said.ts'
import { whatACommitTellsIsTrue } from './what-a-commit-tells-is-true.ts'
import { whatAHubDoesItTells } from './what-a-hub-does-it-tells.ts'
import { whatIsClosedIsComplete } from './what-is-closed-is-complete.ts'
import { whatIsErasedStaysErased } from './what-is-erased-stays-erased.ts'
import { whatIsNeededIsThere } from './what-is-needed-is-there.ts'
import { whatIsTouchedIsTold } from './what-is-touched-is-told.ts'
import { whatRunsTellIsTrue } from './what-runs-tell-is-true.ts'
import { whoComesBackIsToldOf } from './who-comes-back-is-told-of.ts'

const ON_COMMANDS: readonly Invariant<ControlEvidence>[] = [
  executedAtMostOnce,
  executedInTimeAndOrder,
  issuedBeforeItIsSent,
  sentInItsSession,
  whatAHubDoesItTells,
  oneTrueOutcome,
]

/** Of the world of several relays. */
export const RELAYS_INVARIANTS: readonly Invariant<RelaysEvidence>[] = [
  everyProcessGoesOn,
  askedOnceIsIssuedOnce,
  aPlaceIsOfTheNewestSession,
  oneRelayHoldsAHub,
  ...ON_COMMANDS,
]

/** A new invariant is a file of its own and a line here. */
export const INVARIANTS: readonly Invariant[] = [
  everyProcessGoesOn,
  nothingAcknowledgedIsMissing,
  nothingIsDoubled,
  theAccountSums,
  acknowledgedIsDurable,
  everyNumberIsAccountedFor,
  aBatchIsNeverCutAnew,
  theFirstInTheLogIsStored,
  aRowSaysWhatItsLineSaid,
  whatIsClosedIsComplete,
  rangesEqualRows,
  theRangesTellWhatWasSaid,
  positionsAreContiguous,
  theLogFollowsOnTheTable,
  whatACommitTellsIsTrue,
  aReaderSeesWhatWasCommitted,
  whatIsNeededIsThere,
  whatIsErasedStaysErased,
  whoComesBackIsToldOf,
  whatIsTouchedIsTold,
  metricsEqualARecompute,
  nothingIsLeftToMake,
  noRunIsLeft,
  whatRunsTellIsTrue,
  aBootIsBegunOnce,
  ...ON_COMMANDS,
]
