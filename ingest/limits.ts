/** Limits of ingest. Those of the protocol itself are in contract/limits.ts. */

/** Appends that one commit of the embedded log takes; more wait for the next. */
export const LOG_COMMIT_RECORDS_MAX = 512
export const LOG_COMMIT_BYTES_MAX = 16 * 1024 * 1024
/** Records that one transaction of a trim removes, so that appends never wait long behind it. */
export const LOG_TRIM_RECORDS = 256
/** How often a reader looks for records that another process appended. */
export const LOG_POLL_MS = 200
/** How long SQLite waits for another process's lock. */
export const LOG_BUSY_MS = 10_000

/** Between receipt and durability a gateway holds at most this; past it `receive` raises `limit` and keeps nothing. */
export const IN_FLIGHT_MAX_BYTES = 64 * 1024 * 1024
export const IN_FLIGHT_MAX_BATCHES = 1_024
/** So many more may wait for room; past it `receive` raises `limit` to them too. */
export const WAITING_MAX_BATCHES = 16_384
/** Of a batch that cannot be read as a whole, so many of its first bytes are kept. */
export const DEAD_VALUE_MAX_BYTES = 64 * 1024
/** Text of a whole dead batch that is put into its row. */
export const DEAD_TEXT_MAX_BYTES = 8 * 1024
/** A hub may send so many events a second for long, and this many at once; past it its answers come later. */
export const HUB_EVENTS_PER_SECOND = 20_000
export const HUB_EVENTS_BURST = 200_000
/** A batch counts for at least so many, and for one more with each range and earlier boot that its header lists. */
export const HUB_BATCH_EVENTS_MIN = 20
/** The longest that an answer is held back. */
export const HUB_DELAY_MAX_MS = 5_000
/** Of what the log of a bucket holds past the table a starting gateway reads so much for counters of boots. */
export const FLOOR_LOG_MAX_BYTES = 64 * 1024 * 1024
/** Sources whose pace, highest boot and key are remembered; the least recent is forgotten first. */
export const SOURCES_REMEMBERED_MAX = 200_000

/** An attempt of the writer ends at this much plain text, what headers list included … */
export const ATTEMPT_PLAIN_MAX_BYTES = 128 * 1024 * 1024
/** … each range and each earlier boot of a header for about what it takes in memory while the attempt lasts … */
export const ATTEMPT_LISTED_BYTES = 256
/** … at so many events … */
export const ATTEMPT_EVENTS_MAX = 1_000_000
/** … at so many batches … */
export const ATTEMPT_BATCHES_MAX = 20_000
/** … and before the batch that would open one more date than this. */
export const ATTEMPT_DATES_MAX = 64
/** Payload bytes that one read of the log asks for. */
export const LOG_READ_BYTES = 4 * 1024 * 1024
/** A batch that waits is committed after this at the latest, unless set otherwise … */
export const FRESHNESS_MS = 5_000
/** … or this, when there is nothing but `alive` and `health`: a small file a minute and not one each few seconds … */
export const QUIET_FRESHNESS_MS = 60_000
/** … and never more than so many times what was set. */
export const QUIET_FRESHNESS_TIMES = 6
/** How often a writer with nothing to do looks whether its log still joins up with the table. */
export const LOG_CHECK_MS = 30_000
/**
 * A bucket that is stopped is looked at again after this: doubles from the first to the last. A look at one that cannot be
 * reached may hold up the others for as long as a read of the log is tried.
 */
export const BUCKET_LOOK_FIRST_MS = 1_000
export const BUCKET_LOOK_MAX_MS = 60_000
/** Pause before a failed attempt is tried again: doubles from the first to the last. */
export const RETRY_FIRST_MS = 200
export const RETRY_MAX_MS = 15_000
/** Asked to end, a writer begins no more commits of what the log still holds after this; the next start goes on. */
export const DRAIN_MAX_MS = 8_000
/** Changes of the registry that go into one batch of the log; the rest follow in the next. */
export const REGISTRY_CHANGES_A_BATCH = 500

/** Ranges that a commit added go into its own entry up to this size, else into an object of their own. */
export const ADDITIONS_INLINE_MAX_BYTES = 64 * 1024
/** A snapshot of a bucket's ranges is written once the table is so many versions past the last one. */
export const RANGES_SNAPSHOT_COMMITS = 50
/** Snapshots of a bucket's ranges that are kept: the newest, each of which is enough, and those that are as young as this. */
export const RANGES_KEPT = 2
export const RANGES_KEPT_MS = 3_600_000
/** Boots of a (source, stream) whose account is kept whatever happens. */
export const BOOTS_KEPT = 50
/**
 * Boots of a (source, stream) that are kept at most: above the 1,000 earlier ones that an outbox keeps. Past it the oldest
 * are forgotten, and what they lack is lost.
 */
export const BOOTS_MAX = 1_024
/**
 * Dropped ranges of a boot, of which one header may bring 1,024; past this the older half become one. 16,384 in each of
 * 40 boots cost a batch that adds to them all 30 ms. Intervals of what was stored or is dead are bounded by the lines of
 * its batches alone: only a source that leaves numbers out all the time, or whose every other line is dead, makes many.
 */
export const BOOT_DROPPED_MAX = 2_048
/** A source that was silent for so long will not send what is still missing. */
export const SILENT_MS = 30 * 86_400_000
/** Batches that are inflated at the same time, so that plain text in memory stays below this × 8 MiB. */
export const INFLATE_CONCURRENT_MAX = 8
/** A batch of at most this, that unpacks to at most that, is unpacked on the event loop: up to 0.1 ms. */
export const INFLATE_AT_ONCE_MAX_BYTES = 16 * 1024
export const INFLATE_AT_ONCE_PLAIN_MAX_BYTES = 128 * 1024
/** What a batch unpacks to in one turn: as many times its size as event lines are packed, within these. */
export const EVENT_LINES_PACK_TIMES = 8
export const INFLATE_CHUNK_MIN_BYTES = 1024
export const INFLATE_CHUNK_MAX_BYTES = 1024 * 1024
/** Brackets within each other, of what an event line has; deeper ones are dead. */
export const EVENT_DEPTH_MAX = 1_000
/** Lines that the thread that encodes is given together, and how many times that before it has read the first. */
export const ENCODER_GIVEN_BYTES = 1024 * 1024
export const ENCODER_GIVEN_MAX = 8
/** Files of an attempt that are put at once. */
export const ENCODER_PUTS = 8

/** Kafka: how long a connection may take, and one request, and one of the small ones that only ask where things are. */
export const KAFKA_CONNECT_MS = 3_000
export const KAFKA_REQUEST_MS = 5_000
export const KAFKA_WHERE_MS = 2_000
/** What is known of the leaders is asked anew after this, and after each failure. */
export const KAFKA_LEADERS_AGE_MS = 30_000
/** An append that no broker acknowledged for so long fails; whether it is durable is then unknown. */
export const KAFKA_APPEND_MAX_MS = 30_000
/** A read, a question for the bounds, and an opening that found no broker for so long fail. */
export const KAFKA_READ_MAX_MS = 15_000
/** A topic that brokers do not know for so long is missing: those that learn of one late must not be believed at once. */
export const KAFKA_MISSING_MS = 3_000
/** Pause before a failed request is tried again: doubles from the first to the last. */
export const KAFKA_RETRY_FIRST_MS = 20
export const KAFKA_RETRY_MAX_MS = 500
/** Records of a bucket that go to the broker together, and bytes of all buckets in one request. */
export const KAFKA_GROUP_RECORDS_MAX = 2_000
export const KAFKA_PRODUCE_MAX_BYTES = 16 * 1024 * 1024
/** `max.message.bytes` of a topic that is made here, and the least that one that is there may have. */
export const KAFKA_MESSAGE_BYTES = 2 * 1024 * 1024
export const KAFKA_MESSAGE_MIN_BYTES = 1024 * 1024 + 64 * 1024
/** How long a broker holds a request for records that are not there yet; a bucket that is new to it waits so long at most. */
export const KAFKA_POLL_MS = 200
/** Read ahead of a reader: of one bucket, and of all. */
export const KAFKA_AHEAD_BYTES = 8 * 1024 * 1024
export const KAFKA_AHEAD_TOTAL_BYTES = 96 * 1024 * 1024
/** Records of a bucket are deleted from the broker at most this often. */
export const KAFKA_TRIM_MS = 5_000
/** `close` waits for what is under way for so long, then drops the connections. */
export const KAFKA_CLOSE_MAX_MS = 2_000
/** A writer that the group's coordinator has not heard of for so long gives its buckets up, unless set otherwise … */
export const KAFKA_SESSION_MS = 10_000
/** … and it tells of itself so many times in that: how soon it learns of others too. */
export const KAFKA_HEARTBEATS = 10
/** How far the table has read is told to the group at most this often. */
export const KAFKA_LAG_MS = 5_000
