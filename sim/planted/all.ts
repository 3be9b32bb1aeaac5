import type { Plant } from '../plant.ts'
import { aLostRunTold } from './a-lost-run-told.ts'
import { aPartOfTheNewestVersions } from './a-part-of-the-newest-versions.ts'
import { aStaleRelayWins } from './a-stale-relay-wins.ts'
import { ackBeforeSync } from './ack-before-sync.ts'
import { acknowledgedAndGivenUp } from './acknowledged-and-given-up.ts'
import { anySessionObeyed } from './any-session-obeyed.ts'
import { bucketOfTheGateway } from './bucket-of-the-gateway.ts'
import { carryThatNeverChanges } from './carry-that-never-changes.ts'
import { changesToldACommitLate } from './changes-told-a-commit-late.ts'
import { checkpointWithoutPositions } from './checkpoint-without-positions.ts'
import { cleanUpWithoutRanges } from './clean-up-without-ranges.ts'
import { commitWhereNobodyReads } from './commit-where-nobody-reads.ts'
import { compactionThatResurrects } from './compaction-that-resurrects.ts'
import { deadLinesToldOneOff } from './dead-lines-told-one-off.ts'
import { deadRowsInACommitOfTheirOwn } from './dead-rows-in-a-commit-of-their-own.ts'
import { duplicatesOfAnAttemptAlone } from './duplicates-of-an-attempt-alone.ts'
import { enrolmentThatIsForgotten } from './enrolment-that-is-forgotten.ts'
import { erasureThatAnOutboxUndoes } from './erasure-that-an-outbox-undoes.ts'
import { erasureThatForgets } from './erasure-that-forgets.ts'
import { executedAgain } from './executed-again.ts'
import { fencedFilesStay } from './fenced-files-stay.ts'
import { floorNeverSetBefore } from './floor-never-set-before.ts'
import { gapAfterAFailedAttempt } from './gap-after-a-failed-attempt.ts'
import { healedWithAHigherEpoch } from './healed-with-a-higher-epoch.ts'
import { highWaterMark } from './high-water-mark.ts'
import { hintTrusted } from './hint-trusted.ts'
import { hopNotCounted } from './hop-not-counted.ts'
import { hoursOfReceiptTold } from './hours-of-receipt-told.ts'
import { ingestOverAMark } from './ingest-over-a-mark.ts'
import { issuedHereToo } from './issued-here-too.ts'
import { journalSyncedAfter } from './journal-synced-after.ts'
import { keyAnewAtAnotherRelay } from './key-anew-at-another-relay.ts'
import { lastInTheLogStored } from './last-in-the-log-stored.ts'
import { lateCalledFailed } from './late-called-failed.ts'
import { madeOfTheNewestInput } from './made-of-the-newest-input.ts'
import { metricsOfTwoDrivers } from './metrics-of-two-drivers.ts'
import { neverClaimedAgain } from './never-claimed-again.ts'
import { offsetOutsideCommit } from './offset-outside-commit.ts'
import { ownCommitTakenForAnothers } from './own-commit-taken-for-anothers.ts'
import { pastTheLimitOfDates } from './past-the-limit-of-dates.ts'
import { positionNotCompared } from './position-not-compared.ts'
import { positionsUsedAgain } from './positions-used-again.ts'
import { rangesBeforeTheCommit } from './ranges-before-the-commit.ts'
import { rangesOfAnotherVersion } from './ranges-of-another-version.ts'
import { replayThatDoubles } from './replay-that-doubles.ts'
import { revisionOfAnotherHearth } from './revision-of-another-hearth.ts'
import { rowsKnownByTheirNumber } from './rows-known-by-their-number.ts'
import { sentAgainAfterATakeOver } from './sent-again-after-a-take-over.ts'
import { servicesTellOfAnErasedHub } from './services-tell-of-an-erased-hub.ts'
import { silenceTakenForAway } from './silence-taken-for-away.ts'
import { toldBeforeItIsWritten } from './told-before-it-is-written.ts'
import { topicAnewUnderItsId } from './topic-anew-under-its-id.ts'
import { transitNotCounted } from './transit-not-counted.ts'
import { trimBeforeTheCommit } from './trim-before-the-commit.ts'
import { unknownTakenForRefused } from './unknown-taken-for-refused.ts'
import { vacuumWithoutAFloor } from './vacuum-without-a-floor.ts'
import { whatWasMadeStays } from './what-was-made-stays.ts'

/** A new planted bug is a file of its own and a line here. */
export const PLANTS: readonly Plant[] = [
  ackBeforeSync,
  highWaterMark,
  offsetOutsideCommit,
  lateCalledFailed,
  executedAgain,
  acknowledgedAndGivenUp,
  bucketOfTheGateway,
  checkpointWithoutPositions,
  cleanUpWithoutRanges,
  commitWhereNobodyReads,
  compactionThatResurrects,
  deadLinesToldOneOff,
  deadRowsInACommitOfTheirOwn,
  duplicatesOfAnAttemptAlone,
  enrolmentThatIsForgotten,
  erasureThatAnOutboxUndoes,
  erasureThatForgets,
  fencedFilesStay,
  floorNeverSetBefore,
  gapAfterAFailedAttempt,
  hintTrusted,
  hoursOfReceiptTold,
  ingestOverAMark,
  lastInTheLogStored,
  ownCommitTakenForAnothers,
  pastTheLimitOfDates,
  positionNotCompared,
  positionsUsedAgain,
  rangesBeforeTheCommit,
  rangesOfAnotherVersion,
  replayThatDoubles,
  servicesTellOfAnErasedHub,
  topicAnewUnderItsId,
  trimBeforeTheCommit,
  unknownTakenForRefused,
  vacuumWithoutAFloor,
  aLostRunTold,
  changesToldACommitLate,
  madeOfTheNewestInput,
  metricsOfTwoDrivers,
  revisionOfAnotherHearth,
  rowsKnownByTheirNumber,
  whatWasMadeStays,
  aPartOfTheNewestVersions,
  carryThatNeverChanges,
  aStaleRelayWins,
  anySessionObeyed,
  transitNotCounted,
  hopNotCounted,
  keyAnewAtAnotherRelay,
  issuedHereToo,
  journalSyncedAfter,
  toldBeforeItIsWritten,
  sentAgainAfterATakeOver,
  healedWithAHigherEpoch,
  silenceTakenForAway,
  neverClaimedAgain,
]
