/** Limits of alerts. */

/** A change that nobody was told of for so long is history. */
export const TELL_AGE_MS = 24 * 3_600_000
/** Changes that are told in one tick; the next one goes on. */
export const TOLD_AT_ONCE_MAX = 100
/** How often Alertmanager is told again of what fires, and how much later than the next time it would take it for over. */
export const REMIND_MS = 60_000
