/** Waits between attempts to connect: full jitter under a ceiling that doubles from the first to the last. */
export const RETRY_FIRST_MS = 250
export const RETRY_MAX_MS = 20_000
/** A connection that held for this long clears the count of failures. */
export const STABLE_AFTER_MS = 60_000
/** A command does not wait for the back-off: it makes an attempt of its own, but none sooner after the last than this. */
export const HURRY_MS = 1_000
/** Longest wait for a token, for a socket to be served, and for an answer to a question over HTTP. */
export const OPEN_MAX_MS = 10_000
/** A socket that says nothing for this long is asked whether it is still there … */
export const QUIET_MS = 15_000
/** … and after a command that brought no sign of life for this long: it must be found out in time to send the command again. */
export const QUIET_AFTER_COMMAND_MS = 500
/** No sign of life within this after the question: the socket is given up, and another opened. */
export const PONG_MAX_MS = 2_000
/** How long after its deadline an answer to a command that was sent may come; then its outcome is unknown. */
export const ANSWER_GRACE_MS = 3_000
/** Commands of one client without an answer; more are refused with kind `limit`. */
export const COMMANDS_OPEN_MAX = 256
/** Events that wait for a loop that does not read; at it the loop ends with kind `limit`. */
export const EVENTS_WAITING_MAX = 1_000
/** Hubs that are named to a relay, as its own limit is; more, and all that the token may see are heard and sorted here. */
export const LISTEN_HUBS_MAX = 200
