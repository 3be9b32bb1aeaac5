/** What relays say to each other: JSON in frames, each after its length as 4 bytes, big-endian. */
import type { Socket } from 'node:net'
import { z } from 'zod'
import { attributeValue, type CommandReport, OUTCOMES, STAGES } from '../contract/command.ts'
import { messageOf, Problem, retryAfterOf } from '../contract/problem.ts'
import { ID_PATTERN } from '../contract/source.ts'
import { PEER_FRAME_MAX_BYTES } from './limits.ts'
import type { LiveEvent } from './live-event.ts'

/**
 * Of the frames below. The first frame of each side says the highest that it speaks; a relay that cannot speak the other's
 * says so, and both go on without each other: during an update a command then finds its hub away, and is told so.
 */
export const PEER_VERSION = 1

/** ALPN: no other port of ours takes it. */
export const PEER_PROTOCOL = 'hearth-relay'

const HEADER_BYTES = 4

const set = z.record(z.string(), attributeValue)
const outcome = z.enum(OUTCOMES)

const forwarded = z.object({
  app: z.string(),
  hub: z.string().regex(ID_PATTERN),
  device: z.string().regex(ID_PATTERN),
  set,
  deadline_ms: z.number().int().positive(),
  key: z.string(),
  day: z.string(),
  day_assumed: z.literal(true).exactOptional(),
})

const report: z.ZodType<CommandReport> = z.object({
  command: z.string(),
  hub: z.string(),
  device: z.string(),
  set,
  issued: z.number(),
  day: z.string(),
  deadline_ms: z.number(),
  outcome: outcome.exactOptional(),
  reason: z.string().exactOptional(),
  stages: z.array(z.object({ stage: z.enum([...STAGES, ...OUTCOMES]), by: z.enum(['relay', 'hub']), ms: z.number() })),
  round_trip_ms: z.number().exactOptional(),
})

const hello = z.object({ hearth_peer: z.number().int().positive(), relay: z.string().regex(ID_PATTERN) })

/** `stamp` is the asking relay's monotonic clock at sending, ms: by it the other knows how long a frame lay on its way. */
const stamp = z.number()
const n = z.number().int().nonnegative()

/** What comes to a relay that listens: first a hello, then anything. */
export const asked = z.union([
  z.object({ n, stamp, issue: forwarded, answer: z.enum(['settled', 'accepted']) }),
  z.object({ n, stamp, find: z.string() }),
  z.object({ n, stamp, hubs_after: z.string() }),
  z.object({ ping: stamp }),
  /** Tell of these hubs from now on, in place of what was said before; `more` of them follow. */
  z.object({ watch: z.union([z.literal('all'), z.array(z.string())]), more: z.literal(true).exactOptional() }),
])
export const askedFirst = hello.extend({ stamp })

const problem = z.object({
  kind: z.enum([
    'invalid',
    'unauthorized',
    'unavailable',
    'conflict',
    'missing',
    'corrupt',
    'closed',
    'limit',
    'internal',
  ]),
  outcome: z.enum(['did-not-happen', 'unknown']),
  message: z.string(),
  retry_after_ms: z.number().exactOptional(),
})

/** What comes back: first a hello or a refusal, then answers. */
export const said = z.union([
  z.object({ n, report }),
  z.object({ n, away: z.literal(true) }),
  z.object({ n, found: z.object({ app: z.string(), report }).nullable() }),
  z.object({ n, hubs: z.array(z.object({ hub: z.string(), epoch: z.string(), since_ms: z.number() })) }),
  z.object({ n, problem }),
  z.object({ pong: z.literal(true) }),
  /** What happened to a hub that is watched. Not looked into: its relay is one of ours, and knows what apps understand. */
  z.object({ event: z.custom<LiveEvent>((one) => typeof one === 'object' && one !== null && 'hub' in one) }),
  /** It goes away: what was asked is answered still, and nothing more is to be asked here. */
  z.object({ leaving: z.literal(true) }),
])
export const saidFirst = z.union([hello, z.object({ refused: z.string() })])

export type Asked = z.infer<typeof asked>
export type Said = z.infer<typeof said>

/** A Problem as it crosses: kind, outcome, message, and when to ask again. */
export function problemFrame(found: Problem): z.infer<typeof problem> {
  const { kind, outcome, message } = found
  const wait_ms = retryAfterOf(found)
  return { kind, outcome, message, ...(wait_ms !== undefined && { retry_after_ms: wait_ms }) }
}

export function problemOf({ kind, outcome, message, retry_after_ms }: z.infer<typeof problem>): Problem {
  const cause = retry_after_ms === undefined ? {} : { cause: { retry_after_ms } }
  return new Problem(kind, message, { outcome, ...cause })
}

/** Raises `limit` for what is too long. */
export function frameOf(value: unknown): Buffer {
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  if (bytes > PEER_FRAME_MAX_BYTES)
    throw new Problem('limit', `${bytes} bytes are too many for another relay: at most ${PEER_FRAME_MAX_BYTES}`)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes)
  frame.writeUInt32BE(bytes)
  frame.write(text, HEADER_BYTES)
  return frame
}

/** Takes bytes as they come, and gives the values that are whole. It raises `invalid`, and is good for nothing after. */
export function frameReader(): (chunk: Buffer) => readonly unknown[] {
  const parts: Buffer[] = []
  let bytes = 0
  let needed = HEADER_BYTES
  return (chunk) => {
    parts.push(chunk)
    bytes += chunk.length
    if (bytes < needed) return []
    const values: unknown[] = []
    let rest = parts.length === 1 ? chunk : Buffer.concat(parts)
    needed = HEADER_BYTES
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE()
      if (length === 0 || length > PEER_FRAME_MAX_BYTES)
        throw new Problem('invalid', `a frame of ${length} bytes: expected 1 to ${PEER_FRAME_MAX_BYTES}`)
      needed = HEADER_BYTES + length
      if (rest.length < needed) break
      values.push(parsed(rest.subarray(HEADER_BYTES, needed)))
      rest = rest.subarray(needed)
      needed = HEADER_BYTES
    }
    parts.length = 0
    if (rest.length > 0) parts.push(rest)
    bytes = rest.length
    return values
  }
}

function parsed(frame: Buffer): unknown {
  try {
    return JSON.parse(frame.toString('utf8'))
  } catch (error) {
    throw new Problem('invalid', `a frame that is not JSON: ${messageOf(error)}`, { cause: error })
  }
}

/** `value` as the schema has it. Raises `invalid`. */
export function understood<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Problem('invalid', `a frame that this version does not know: ${z.prettifyError(result.error)}`)
}

export type FrameWriter = {
  send(frame: Buffer): void
  /** Bytes that wait here or in the socket. */
  waiting(): number
}

/** Frames of one turn of the event loop go in one write: one record, one wake-up of the other side. */
export function frameWriter(socket: Socket): FrameWriter {
  let gathered: Buffer[] = []
  let bytes = 0
  const flush = () => {
    const all = gathered.length === 1 ? gathered[0] : Buffer.concat(gathered)
    gathered = []
    bytes = 0
    if (all && socket.writable) socket.write(all)
  }
  return {
    send(frame) {
      bytes += frame.length
      if (gathered.push(frame) === 1) setImmediate(flush)
    },
    waiting: () => bytes + socket.writableLength,
  }
}
