/** Limits of the hub's agent. Each says what happens at it. */

/** Commands that wait or run on one hub; past it a command is answered `rejected`, and the device hears nothing. */
export const COMMANDS_WAITING_MAX = 64
/** Refused commands of which a copy is refused too; past it the oldest would be judged anew. */
export const REFUSED_KEPT_MAX = 256
/** Ids that the journal keeps; past it new commands are `rejected`, since forgetting one could execute it twice. */
export const JOURNAL_ENTRIES_MAX = 50_000
/** An id is forgotten after this much running time of the hub: past the idempotency key's window of 24 h. */
export const JOURNAL_KEEP_MS = 26 * 3_600_000
/** Old journal entries removed at one receipt: more than one comes in, so the journal shrinks to its window. */
export const JOURNAL_FORGET_AT_ONCE = 8
/** A device may confirm this long after the command's deadline (the app sees `late`); then it is given up. */
export const CONFIRM_GRACE_MS = 5_000
/** Results kept for the relay while the control connection is down; past it the oldest is only in the outbox. */
export const RESULTS_WAITING_MAX = 256
/** What the outbox keeps of command stages, crashes and health; past it the oldest batch is dropped, and counted. */
export const CONTROL_MAX_BYTES = 16 * 1024 * 1024
/** What it keeps of readings: about a month of a busy home. */
export const READINGS_MAX_BYTES = 64 * 1024 * 1024
/** How often a hub tells how it is. */
export const HEALTH_INTERVAL_MS = 30_000
/** How long a closing agent tries to finish commands and to send what it has; the rest stays in the outbox. */
export const DRAIN_MAX_MS = 5_000
/** Times that a radio tries one message before the device counts as not answering. */
export const RADIO_ATTEMPTS_MAX = 3
/** A file of recorded readings; a larger one is refused by name. */
export const RECORDING_FILE_MAX_BYTES = 256 * 1024 * 1024
/** Outbox of a hub that replays a recording as fast as it goes: about ten million readings, packed. */
export const RECORDING_OUTBOX_MAX_BYTES = 1024 * 1024 * 1024
/** Bad lines of a recording that are named one by one; the rest are counted. */
export const RECORDING_FAULTS_NAMED_MAX = 100
/** An answer of the enrolment endpoint: two certificates and little else. */
export const ENROLMENT_ANSWER_MAX_BYTES = 64 * 1024
export const ENROLMENT_TIMEOUT_MS = 15_000
/** How long a closing agent waits for its connections to say goodbye; then they are left to break. */
export const GOODBYE_MAX_MS = 1_000
/** A hub has started by then, with all that it has at its side: what the start has left is given back. */
export const STARTED_AFTER_MS = 15_000
/** No clock that is right can say less: this Hearth was not there before. For hubs that begin with a clock of 1970. */
export const BUILT_MS = Date.UTC(2026, 10, 1)
