/** Limits of alerts. */

/** One try to tell a receiver something. */
export const TELL_TIMEOUT_MS = 10_000
/** Tries within one tick, with waits that double; the next tick goes on. */
export const TELL_ATTEMPTS = 3
export const TELL_WAIT_MS = 500
/** A change that nobody was told of for so long is history. */
export const TELL_AGE_MS = 24 * 3_600_000
/** Changes that are told in one tick; the next one goes on. */
export const TOLD_AT_ONCE_MAX = 100
/** How often Alertmanager is told again of what fires, and how much later than the next time it would take it for over. */
export const REMIND_MS = 60_000
export const REMINDS_MISSED_MAX = 4
/** Links are narrowed to a name that has more of the bad than this. */
export const SHARE_MIN = 1 / 2
/** So much more of the bad than of all a name has that is told to stand behind it. */
export const EXCESS_MIN = 0.1
/** Relays that are named, of those that give no sign of life. */
export const SILENT_TOLD_MAX = 3
