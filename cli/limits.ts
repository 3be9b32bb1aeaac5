/** Limits of the processes. Each says what happens at it. */

/** Lines of one event that a log tells within a window; the rest is counted, and the count told with the next. */
export const LOG_BURST_MAX = 20
export const LOG_BURST_MS = 10_000
/** Lines of a process's last words that its supervisor keeps. */
export const LAST_LINES_MAX = 40
/** One line of a process as the supervisor keeps and passes it on; the rest of it is cut. */
export const LINE_MAX_CHARACTERS = 4_000
/** Text of all figures of a process. At it: the scrape is answered 500, and it is logged. */
export const SCRAPE_MAX_BYTES = 4 * 1024 * 1024
/** How long a failed append counts against the gateway when none was tried since. */
export const APPEND_FAILURE_COUNTS_MS = 10_000
/** Of log entries, footers and objects a doctor of the lake reads so many, unless it is to read all. */
export const DOCTOR_SAMPLE = 200
/** `hearth send` waits so long for a relay to say that it lives … */
export const RELAY_LIMIT_MS = 5_000
/** … and so much longer than a command's deadline for its answer; past it nobody knows what became of it. */
export const ANSWER_GRACE_MS = 2_000
/** `hearth send --repeat` waits so long before it sends again what a relay refused for now and named no time for … */
export const REFUSED_WAIT_MS = 1_000
/** … and at most so long when it named one. */
export const REFUSED_WAIT_MAX_MS = 3_600_000
/** The gateway's clock may be so far behind a time that it gave out; past it, it is not ready. */
export const CLOCK_BACK_MAX_MS = 1_000
/** A clock this far from the store's is wrong, or the store's is. */
export const STORE_CLOCK_MAX_MS = 30_000
/** A connection to the ops port of a hub that says nothing for so long is cut. */
export const OPERATIONS_IDLE_MS = 10_000
/** How often a process looks whether the fleet's CA is being replaced: a read of some small files. */
export const AUTHORITY_LOOK_MS = 2_000
/** … and whether its own certificates are to be renewed, which they are weeks before they end. */
export const CERTIFICATES_LOOK_MS = 12 * 3_600_000
/** How often a hub asks whether its certificate or the CA is to be replaced, when nothing else is said. */
export const IDENTITY_LOOK_MS = 3_600_000
