/** Limits of the link. Each says what happens at it. */

/** Events are gathered into a batch up to this, plain; then it is sealed. Far below the protocol's own limit. */
export const BATCH_TARGET_BYTES = 256 * 1024
/** A slow link halves its batches down to this. */
export const BATCH_TARGET_MIN_BYTES = 4 * 1024
/** Events in one batch, far below the protocol's own limit. */
export const BATCH_TARGET_EVENTS = 2_000
/**
 * One event's line in Hearth's own outbox, as UTF-8, and what is kept of several as one entry; a longer line is refused
 * (`invalid`). The protocol takes longer ones.
 */
export const OUTBOX_LINE_MAX_BYTES = 64 * 1024
/** Bytes that an outbox keeps of one stream where its owner names none; past it the oldest batch is dropped, and counted. */
export const STREAM_MAX_BYTES = 64 * 1024 * 1024
/** Earlier boots whose account an outbox keeps for a stream; past it the oldest is forgotten, and counted. */
export const BOOT_ACCOUNTS_MAX = 1_000
/** What a key and a row cost on disk besides the value, for the count of an outbox's bytes. */
export const ENTRY_OVERHEAD_BYTES = 64

/** Batches of one stream that wait for an answer at the same time. */
export const IN_FLIGHT_MAX = 4
/** How long events wait for company before they are sent. */
export const LINGER_MS = 200
/** A transmission without an answer for this long is given up and repeated. */
export const ANSWER_TIMEOUT_MS = 30_000

/** Full-jitter back-off: first ceiling, last ceiling, and how long a session must hold before it counts as stable. */
export const BACK_OFF_BASE_MS = 500
export const BACK_OFF_CAP_MS = 20_000
export const STABLE_AFTER_MS = 60_000

/** An MQTT connection must be a session this soon after its socket was accepted, else it is closed. */
export const CONNECT_TIMEOUT_MS = 10_000
/** How long a hub waits for its session, once a server took its socket: in a storm it waits for its turn, and to come again costs more. */
export const PATIENCE_MS = 20_000
/** … and how long a server lets a socket wait for its turn: what is left of the hub's patience must be enough for the handshake. */
export const TURN_WAIT_MAX_MS = 15_000
/** How long the keys of TLS tickets are used, and tickets are good: as long as TLS 1.3 lets them be (RFC 8446 section 4.6.1), since a hub has the ticket of its last handshake. One from before costs a full handshake. */
export const TICKET_KEYS_MS = 7 * 24 * 3_600_000
/** Sessions that one turn of the event loop looks at after the registry changed: one takes 14 µs of SQLite. */
export const RECHECKED_AT_ONCE = 200
/** TLS handshakes at work at the same time, at most; more wait at accept, unread. */
export const HANDSHAKES_MAX = 1_024
/** Sockets that wait for a handshake; past it a new one is closed at once, and the hub backs off. */
export const HANDSHAKES_WAITING_MAX = 16_384
/** Body of a request that is no batch: enrolment is the largest of them. */
export const HTTPS_BODY_MAX_BYTES = 20 * 1024
/** Connections of the HTTPS port; past it a new one is closed at once, which is told, and the hub backs off. */
export const HTTPS_CONNECTIONS_MAX = 16_384
/** Sessions of one endpoint; past it CONNACK says `Server busy` (0x89). */
export const SESSIONS_MAX = 50_000
/** Bytes that may wait for one session's socket; past it the session is cut as too slow (0x97). */
export const SESSION_BUFFER_MAX_BYTES = 256 * 1024
/** Characters of a reason that a packet of ours tells; the rest is left out. */
export const REASON_MAX_CHARACTERS = 1_024
/** A hub's own Maximum Packet Size; below it not every answer would fit, and CONNACK says 0x83. */
export const PEER_PACKET_MIN_BYTES = 128
/** Packets of one session that may wait for our acknowledgement (Receive Maximum); past it 0x93. */
export const RECEIVE_MAX = 16
/** Messages of a client that wait for their turn within the server's Receive Maximum; past it `publish` raises `limit`. */
export const PUBLISHES_WAITING_MAX = 1_024
/** Maximum packet size where the owner names none; past it 0x95. */
export const PACKET_MAX_BYTES = 64 * 1024
/** What topic, properties and framing may add to a batch. */
export const PACKET_OVERHEAD_BYTES = 1_024
/** Topic aliases that a hub may use. */
export const TOPIC_ALIAS_MAX = 8
/** Topic filters in one SUBSCRIBE; the ones past it are answered 0x97. */
export const FILTERS_MAX = 8
/** Our own goodbye on a connection that we end; past it the socket is destroyed. */
export const GOODBYE_MS = 500
/** Keep-alive, seconds: what the server sets when the hub names none or more. */
export const KEEP_ALIVE_MAX_S = 300
/** Keep-alive of Hearth's own client. */
export const KEEP_ALIVE_S = 30
/** Pace of `Use another server` (0x9C) while draining, sessions a second. */
export const DRAIN_PER_SECOND = 200
/** After our last packet a peer has this long to close before the socket is destroyed. */
export const LINGER_CLOSE_MS = 1_000
/** Payload bytes of all sessions that may wait for an answer; past it sessions are not read. */
export const HELD_MAX_BYTES = 64 * 1024 * 1024
/** A file of a log-disk.ts; past it the next write begins another. */
export const LOG_SEGMENT_BYTES = 8 * 1024 * 1024
/** Garbage that such a disk keeps at least before it cleans; past it, once there is as much as what counts. */
export const LOG_GARBAGE_MIN_BYTES = 32 * 1024 * 1024
/** The largest write to it: a sealed batch, one entry past its target, and the entries' names (96 with what else a change takes). */
const LOG_FRAME_BYTES = BATCH_TARGET_BYTES + OUTBOX_LINE_MAX_BYTES + 96 * BATCH_TARGET_EVENTS
/** Such a disk keeps room for when the file system is full, in files of so small a part of a segment. */
export const LOG_RESERVES_A_SEGMENT = 4
/**
 * … for cleaning: it copies at most a segment before it unlinks one, which has one write more than it should; and one file,
 * of which a death on the way leaves a rest that others take.
 */
const LOG_RESERVES_CLEANING =
  1 + Math.ceil((LOG_SEGMENT_BYTES + LOG_FRAME_BYTES) / (LOG_SEGMENT_BYTES / LOG_RESERVES_A_SEGMENT))
/**
 * Who needs room then leaves so many of them: deletes must go on for cleaning to win anything, and all other writes go on
 * into the rest until it has. At it: `limit`, and an outbox drops its oldest.
 */
export const LOG_RESERVES_LEFT = {
  cleaning: 0,
  deletes: LOG_RESERVES_CLEANING,
  writes: LOG_RESERVES_CLEANING + 2,
} as const
export const LOG_RESERVES = LOG_RESERVES_LEFT.writes + 4
/** What is read, and as far as it counts copied, between two turns of the event loop while cleaning. */
export const LOG_CLEAN_AT_ONCE_BYTES = 64 * 1024
/** How long `hearth hub check` waits for an answer; past it the check has failed. */
export const CHECK_WAIT_MS = 5_000
/** How much longer a second small packet may take than a first before `hearth hub check` says that somebody holds it back. */
export const HELD_BACK_MS = 20
/** How long `hearth hub check --listen` waits for a hub to connect or to send; past it the check has failed. */
export const HUB_WAIT_MS = 60_000
/** What a hub's own work may add to the waits of its back-off. */
export const BACK_OFF_SLACK_MS = 5_000
/** How long it waits for somebody to cut a hub's power and for the hub to come back. */
export const POWER_WAIT_MS = 600_000
/** The smallest (own clock − stamp) is taken over this much of the session (relay.md). */
export const STAMP_WINDOW_MS = 10 * 60_000
/** Stamps remembered in that window; past it, each keeps the smaller of itself and its neighbour. */
export const STAMPS_MAX = 64
