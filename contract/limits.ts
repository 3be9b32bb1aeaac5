/** Limits of the telemetry protocol. At each: the batch is refused with a reason that names the limit. */
export const BATCH_COMPRESSED_MAX_BYTES = 1024 * 1024
/** Inflating stops here, so that a bomb costs no more than this. */
export const BATCH_PLAIN_MAX_BYTES = 8 * 1024 * 1024
export const BATCH_EVENTS_MAX = 10_000
/** A longer event line costs only itself: it becomes a dead letter. */
export const EVENT_LINE_MAX_BYTES = 1024 * 1024
/** A header line longer than this is malformed. */
export const HEADER_MAX_BYTES = 64 * 1024
/** Dropped ranges that may wait before an empty batch is sent to carry them. */
export const DROPPED_RANGES_MAX = 64
/** Earlier boots that one header lists. */
export const PREVIOUS_BOOTS_MAX = 40

/** An event's time may lie this far after its receipt … */
export const EVENT_TIME_FUTURE_MAX_MS = 10 * 60_000
/** … and this far before it; outside, the next source of time is taken. */
export const EVENT_TIME_PAST_MAX_MS = 400 * 86_400_000

/** A command's deadline: 100 ms to 60 s, 5 s when none is given. */
export const DEADLINE_MIN_MS = 100
export const DEADLINE_MAX_MS = 60_000
export const DEADLINE_DEFAULT_MS = 5_000
/** Attributes that one command may set. */
export const COMMAND_SET_MAX = 16
/** Characters of a text that an attribute is set to, and of a hub's reason for a rejection; longer ones are refused (`invalid`). */
export const ATTRIBUTE_TEXT_MAX = 256
export const REASON_MAX = 256
/** A command's body, as compact JSON with its defaults; one that is larger is refused (`invalid`). */
export const COMMAND_BODY_MAX_BYTES = 4_096
/** How long a relay knows an idempotency key. */
export const IDEMPOTENCY_WINDOW_MS = 24 * 3_600_000
