/** How often a process asks the database whether another one changed it. */
export const WATCH_POLL_MS = 250
/** How long a write waits for another process's write before it is `unavailable`. */
export const BUSY_TIMEOUT_MS = 5_000
/** Hubs that one token may name; past it the token is refused: leave the list out, or make more tokens. */
export const TOKEN_HUBS_MAX = 1_000
/** Tokens kept, revoked ones included; past it new ones are refused until old ones are revoked. */
export const TOKENS_MAX = 10_000
/** Changes that one call of `changes` returns at most. */
export const CHANGES_READ_MAX = 10_000
/** Enrolment codes of one hub that are good at the same time; past it the oldest is spent. */
export const CODES_PER_HUB_MAX = 5
/** How long an enrolment code is good when nothing else is said. */
export const CODE_LIFE_MS = 24 * 3_600_000
/** Body of an enrolment request: a certificate signing request is under 1 KiB. */
export const ENROLMENT_BODY_MAX_BYTES = 16 * 1024
/** How long after its end a hub's certificate is still good for renewal, and for nothing else. */
export const RENEWAL_GRACE_MS = 180 * 86_400_000
/** Certificates that an enrolment of a hub may get within a day: each is a signature, and a row that is kept. */
export const CERTIFICATES_A_DAY_MAX = 24
/** A certificate of a hub or a service; it renews itself after two thirds of this. */
export const CERTIFICATE_LIFE_MS = 365 * 86_400_000
/** The fleet's own CA certificate. */
export const AUTHORITY_LIFE_MS = 20 * 365 * 86_400_000
/** Certificates begin this much before they are made, for verifiers whose clock is a little late. */
export const CERTIFICATE_BACKDATE_MS = 3_600_000
/** How long Postgres may take to take a connection; past it the attempt failed, and the next comes after a back-off. */
export const POSTGRES_CONNECT_MS = 5_000
/** How long Postgres may take to answer; past it the connection is given up, as it is when a network swallows everything. */
export const POSTGRES_ANSWER_MS = 10_000
/** How long a change waits for another one's end before it is `unavailable`. */
export const POSTGRES_LOCK_MS = 5_000
/** How often Postgres is asked for changes that it did not announce: a lost announcement costs so much, and a dead line is found. */
export const POSTGRES_POLL_MS = 2_000
/** Longest wait between two attempts to reach Postgres; they are spread at random below it. */
export const POSTGRES_RETRY_MAX_MS = 5_000
/** Rows that one step of catching up takes over; a fleet's first copy is made of many steps. */
export const COPY_STEP_ROWS = 5_000
/** A copy says when it was last whole, no more often than this: each time is a write on the disk. */
export const COPY_SEEN_MS = 5_000
/** What a serial of a device looks like. */
export const CLAIM_SERIAL_PATTERN = /^[A-Za-z0-9._-]{4,64}$/
/** Devices that one transaction of an import adds; a longer list is many, and no other change waits for all of it. */
export const CLAIMS_IMPORT_ROWS = 500
/** How long a claim certificate is good when nothing else is said: a batch should be sold by then. */
export const CLAIM_LIFE_MS = 365 * 86_400_000
/** A JWT in a header; servers and proxies before it bear little more. */
export const JWT_MAX_CHARACTERS = 8_192
/** A JWT is refused so long after it was issued, whatever it says of its end: nobody can revoke it before. */
export const JWT_LIFE_MAX_S = 24 * 3_600
/** How often the issuer's keys are asked for. A key that it took back is good for so long. */
export const JWKS_REFRESH_MS = 10 * 60_000
/** How often at most: tokens that name unknown keys must not make us ask at each. */
export const JWKS_RETRY_MS = 30_000
export const JWKS_TIMEOUT_MS = 5_000
export const JWKS_MAX_BYTES = 256 * 1024
