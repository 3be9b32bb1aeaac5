/** Limits towards a zigbee2mqtt. Each says what happens at it. */

/** Devices and groups of one home; the ones past it are left out, and told of. */
export const DEVICES_MAX = 500
/** Attributes of one device; the ones past it are left out, and told of. */
export const ATTRIBUTES_MAX = 200
/** A longer message of the broker is left unread, and told of. A list of 500 devices has about 5 MB. */
export const MESSAGE_MAX_BYTES = 16 * 1024 * 1024
/** Texts as commands have them (contract/command.ts): longer names are cut. */
export const TEXT_MAX = { attribute: 32 } as const
/** An unchanged value is told again once this time is over, so that a device that speaks is not taken for silent. */
export const REPEAT_MS = 10 * 60_000
/** zigbee2mqtt sends what it remembers when it starts; what comes this soon after is no news unless it differs. */
export const REMEMBERED_MS = 15_000
/** A device that has not confirmed by then is asked for its state, and again after twice as long each. */
export const ASK_AFTER_MS = 1_000
/** No list of devices this long after the broker was reached: somebody should know. */
export const LIST_PATIENCE_MS = 15_000
/** Filters in one SUBSCRIBE; more go into another. */
export const FILTERS_AT_ONCE = 100
/** Failures that count for the back-off: the broker is near, and is tried again within 4 s. */
export const FAILURES_MAX = 4
/** Goodbye to the broker; past it the socket is destroyed. */
export const GOODBYE_MS = 500
export const KEEP_ALIVE_S = 30
export const CONNECT_TIMEOUT_MS = 10_000
