/** Commands without an outcome yet, over all hubs. At it: refused with kind `limit`. */
export const OPEN_COMMANDS_MAX = 20_000
/** … and to one hub. At it: refused with kind `limit`. */
export const OPEN_PER_HUB_MAX = 64
/** Commands kept on disk. At it: the oldest are forgotten, and only the hub's journal still knows a repeat. */
export const COMMANDS_ON_DISK_MAX = 100_000
/** Commands removed from the disk at once. */
export const FORGET_AT_ONCE = 256
/** Ledger writes that wait for a disk that refused them. At it: events of commands that nobody knows are dropped and counted. */
export const UNWRITTEN_MAX = 1_000
/** … and are tried again with the next write, or after this. */
export const UNWRITTEN_RETRY_MS = 1_000
/** Commands an app may issue: sustained, and at once. At it: refused with kind `limit` and Retry-After. */
export const APP_RATE: Rate = { per_second: 500, burst: 2_000 }
/** Commands to one hub. At it: refused with kind `limit` and Retry-After. */
export const HUB_RATE: Rate = { per_second: 20, burst: 400 }
/**
 * … over a day: what a hub's journal keeps of its last 26 hours (50,000) is more than one relay lets come in 26 hours (47,440),
 * or one app could fill it, and the hub would refuse everybody's commands. A relay that starts begins anew.
 */
export const HUB_DAY_RATE: Rate = { per_second: 0.4, burst: 10_000 }
/** Results of commands that this relay does not know, from one hub. At it: ignored and counted. */
export const UNKNOWN_RESULT_RATE: Rate = { per_second: 10, burst: 1_000 }
/** Keys whose rate is remembered. At it: the one unused for longest is forgotten. */
export const RATE_KEYS_MAX = 50_000
/** An Idempotency-Key. */
export const KEY_MAX_CHARACTERS = 255
/** Hubs of which it is remembered whether they belong to the fleet. */
export const MEMBERS_MAX = 20_000
/** Verified tokens that are remembered. */
export const TRUSTED_MAX = 20_000
/** … for so long, which bounds how late a revocation is seen. */
export const TRUST_MS = 2_000
/** The same for tokens of an issuer elsewhere, which nobody revokes: a signature is checked once in so long. */
export const OUTSIDE_TOKEN_TRUST_MS = 60_000
/** Bad tokens of such an issuer that are remembered, so that repeating one costs no signature. */
export const REFUSED_TOKENS_MAX = 1_000
/** How often open WebSockets are asked whether their token has ended. */
export const TOKEN_LOOK_MS = 60_000
/** WebSockets of all apps, and of one. At it: closed with 1013, try again later. */
export const LIVE_CLIENTS_MAX = 2_000
export const LIVE_CLIENTS_PER_APP_MAX = 500
/** Bytes that wait for a slow WebSocket. At it: closed with 1013, try again later. */
export const LIVE_BUFFER_MAX_BYTES = 1024 * 1024
/** Commands of one WebSocket without an answer. At it: refused with kind `limit`. */
export const LIVE_OPEN_MAX = 256
/** Hubs that one WebSocket names to hear of. At it: refused with kind `invalid`; who wants more names none, and hears of all. */
export const LISTEN_HUBS_MAX = 200
/** How often the relay says in each bucket that it lives. */
export const ALIVE_INTERVAL_MS = 60_000
/** How often a hub hears the relay's clock. */
export const CLOCK_INTERVAL_MS = 60_000
/** … in turns, so many ms apart. */
export const CLOCK_STEP_MS = 250
/** Draining: hubs told to use another server, per second; more where all would not be told within the time below. */
export const DRAIN_HUBS_PER_SECOND = 500
/** … and how long commands in flight are waited for; hubs that have some are told after it. */
export const DRAIN_MAX_MS = 10_000
/** Connections of apps that are open after it, once everything is answered, are cut. */
export const APPS_CLOSE_MS = 1_000
/** Between a spool write and its sync: what a power cut may cost. */
export const SYNC_INTERVAL_MS = 100

/** A token bucket's size: how many a second it regains, and how many it holds. */
export type Rate = { readonly per_second: number; readonly burst: number }
/** What the spool keeps of one bucket while ingest is away. At it: the oldest batch is dropped, and counted. */
export const SPOOL_STREAM_MAX_BYTES = 64 * 1024 * 1024
/**
 * Events of commands are gathered up to this, plain, whatever becomes of the way to ingest: larger ones are packed for
 * longer than a command should wait, and each one costs a context of zstd, which only a major collection frees.
 */
export const SPOOL_BATCH_BYTES = 64 * 1024
/** … and for so long. */
export const SPOOL_LINGER_MS = 1_000
/** The body of a request of an app. */
export const BODY_MAX_BYTES = 16 * 1024
/** Requests a second from one address, before any token is looked at. At it: 429. */
export const REQUESTS_PER_ADDRESS = 5_000
/** How long a browser may keep that pages of other origins may ask; after it, it asks once more. */
export const PREFLIGHT_KEPT_S = 600
/** How long the directory is waited for. At it: as if it were away, and the command ends on what this relay knows. */
export const DIRECTORY_WAIT_MS = 500
/** How long a hub that connects waits for its claim at the directory. At it: it is let in, and claimed later. */
export const CLAIM_WAIT_MS = 500
/** Claims under way at once, without those of hubs that connect. At it: the next waits. */
export const CLAIMS_AT_ONCE_MAX = 32
/** After a directory that was away: claims wait for so long before the next is tried. */
export const CLAIM_AGAIN_MS = 1_000
/** In so long each session is claimed once more, evenly: a directory may have forgotten without a word. */
export const CLAIM_ROUND_MS = 60_000
/** Commands on their way to other relays. At it: refused with kind `limit`. */
export const FORWARDS_OPEN_MAX = 20_000
/** Commands of which is remembered which relay they went to. At it: the oldest is forgotten, and all relays are asked. */
export const FORWARDED_KNOWN_MAX = 50_000
/** After a way that broke: so long until the same relay is asked again, twice that the next time, at most so long. */
export const PEER_AGAIN_MS = 100
export const PEER_AGAIN_MAX_MS = 1_000
/** So often a hub is looked for anew, PEER_AGAIN_MS apart, whose relay is shutting down. At it: `unavailable`, nothing was issued. */
export const LEAVING_LOOKS_MAX = 30
/** How long past a command's deadline the holder's word is waited for. At it: `unavailable`, outcome unknown. */
export const PEER_ANSWER_GRACE_MS = 1_000
/** How long another relay is waited for that may know a command. At it: as if it did not. */
export const PEER_LOOK_MS = 1_000
/** Relays that are asked for a command that nobody is known to have. Beyond: not asked. */
export const RELAYS_ASKED_MAX = 32
/** A relay says so often to the directory that it lives … */
export const DIRECTORY_BEAT_MS = 1_000
/** … and after so long without it its places are nobody's. */
export const DIRECTORY_LIFE_MS = 8_000
/** The directory must answer within this; past it: `unavailable`, and the connection is made anew. */
export const DIRECTORY_ANSWER_MAX_MS = 1_000
/** Connections to the directory and to other relays are tried again after these: one that is back is found within seconds. */
export const CLUSTER_BACK_OFF = { base_ms: 100, cap_ms: 2_000 } as const
/**
 * How long the directory knows a hub's epoch after its last claim, which a session repeats (CLAIM_ROUND_MS). It keeps a relay
 * that slept meanwhile from taking the hub back; one that slept for longer has lost its sessions, and a hub refuses
 * commands of an older epoch in any case. So hubs that are no more leave nothing there.
 */
export const DIRECTORY_PLACE_MS = 24 * 3_600_000
/** A frame between relays. At it: the connection ends (what comes), or the request is refused with kind `limit` (what goes). */
export const PEER_FRAME_MAX_BYTES = 64 * 1024
/** Requests of one relay to another without an answer. At it: refused with kind `limit`. */
export const PEER_OPEN_MAX = 4_096
/** Bytes that wait for another relay's socket. At it: requests are refused with kind `limit`; to one that reads no answers the connection ends. */
export const PEER_BUFFER_MAX_BYTES = 4 * 1024 * 1024
/** Connections of other relays to this one. At it: further ones are closed. */
export const PEERS_MAX = 256
/** A connection between relays must stand within this, handshake and first frame too. */
export const PEER_CONNECT_MAX_MS = 1_000
/** It is asked for a sign of life so often … */
export const PEER_PING_MS = 1_000
/** … and ends when nothing at all has come for so long: a machine that is gone says nothing. */
export const PEER_SILENT_MAX_MS = 4_000
/** A relay to which nothing was sent for so long is connected again only when there is something. */
export const PEER_KEPT_MS = 10 * 60_000
/** An answer that is not there so long after its time is given up: outcome unknown. */
export const PEER_ANSWER_MAX_MS = 2_000
/** A relay that goes away waits so long for others to end their connections, once they have their answers. */
export const PEER_LEAVE_MAX_MS = 1_000
/** A WebSocket of an app is asked for a sign of life so often; one that gave none by the next time is cut. */
export const LIVE_PROBE_MS = 30_000
/** Other relays are looked for so often while an app wants to hear of their hubs; and so soon after what is wanted changed. */
export const RELAYS_LOOK_MS = 1_000
export const WATCH_SOON_MS = 50
/** Hubs that another relay is asked to tell of by name. Beyond: of all that it has. */
export const WANTED_HUBS_MAX = 2_000
/** … of them in one frame. */
export const WANTED_HUBS_AT_ONCE = 500
/** Connected hubs in one answer to another relay. */
export const HUBS_PAGE = 400
