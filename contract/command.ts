import { hash } from 'node:crypto'
import { z } from 'zod'
import {
  ATTRIBUTE_TEXT_MAX,
  COMMAND_BODY_MAX_BYTES,
  COMMAND_SET_MAX,
  DEADLINE_DEFAULT_MS,
  DEADLINE_MAX_MS,
  DEADLINE_MIN_MS,
  REASON_MAX,
} from './limits.ts'
import { EPOCH_PATTERN, ID_PATTERN } from './source.ts'

export * from './command-report.ts'

export const ATTRIBUTE_PATTERN = /^[a-z][a-z0-9_]{0,31}$/
export const attributeValue = z.union([z.number(), z.boolean(), z.string().max(ATTRIBUTE_TEXT_MAX)])

/** What an app asks: body of `POST /v1/hubs/{hub}/commands`. */
export const commandRequest = z
  .strictObject({
    device: z.string().regex(ID_PATTERN),
    set: z
      .record(z.string().regex(ATTRIBUTE_PATTERN), attributeValue)
      .refine((set) => Object.keys(set).length > 0, 'set at least one attribute')
      .refine((set) => Object.keys(set).length <= COMMAND_SET_MAX, `set at most ${COMMAND_SET_MAX} attributes`),
    deadline_ms: z.number().int().min(DEADLINE_MIN_MS).max(DEADLINE_MAX_MS).default(DEADLINE_DEFAULT_MS),
  })
  .refine(
    (request) => Buffer.byteLength(JSON.stringify(request)) <= COMMAND_BODY_MAX_BYTES,
    `a command has at most ${COMMAND_BODY_MAX_BYTES} bytes as JSON`,
  )
export type CommandRequest = z.infer<typeof commandRequest>

/**
 * One id from app to radio to table, so that a retry at another relay is the same command.
 * `day` is the UTC day of the first issue, `2026-11-24`. 32 hex digits of SHA-256.
 */
export function commandId(fleet: string, app: string, hub: string, key: string, day: string): string {
  return hash('sha256', JSON.stringify([fleet, app, hub, key, day])).slice(0, 32)
}

/** Hash of what is to be done: the same id with another hash is refused. Independent of the order of attributes. */
export function commandHash(request: Pick<CommandRequest, 'device' | 'set'>): string {
  const set = Object.entries(request.set).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([request.device, set])).slice(0, 16)
}

/** Relay → hub, on `h/{hub}/command`. */
export const hubBound = z.discriminatedUnion('type', [
  z.object({
    hearth: z.literal(1),
    type: z.literal('command'),
    command: z.string(),
    hash: z.string(),
    device: z.string(),
    set: z.record(z.string(), attributeValue),
    /** Wall time of issue, ms since 1970; the hub echoes it. */
    issued: z.number(),
    /** The holding relay's monotonic clock at sending, ms; `left_ms` is what was left of the deadline then. */
    stamp: z.number(),
    left_ms: z.number(),
    /** The session epoch that it is meant for; a hub refuses an older one. */
    epoch: z.string().regex(EPOCH_PATTERN),
  }),
  /** Only the relay's clock, at connect and each minute: the hub keeps the smallest (own clock − stamp). */
  z.object({ hearth: z.literal(1), type: z.literal('clock'), stamp: z.number() }),
])
export type HubBound = z.infer<typeof hubBound>

/** Hub → relay, on `h/{hub}/result`. */
export const relayBound = z.discriminatedUnion('type', [
  z.object({
    hearth: z.literal(1),
    type: z.literal('result'),
    command: z.string(),
    /** `received` says only that it arrived; each other ends it on the hub's side. */
    stage: z.enum(['received', 'executed', 'rejected', 'expired', 'interrupted']),
    /** ms since `received`, on the hub's clock. */
    ms: z.number(),
    reason: z.string().max(REASON_MAX).optional(),
    /** As the command carried it: a relay that never knew the command can still date it. */
    issued: z.number().optional(),
  }),
  z.object({
    hearth: z.literal(1),
    type: z.literal('state'),
    device: z.string(),
    set: z.record(z.string(), attributeValue),
  }),
])
export type RelayBound = z.infer<typeof relayBound>

/** Topics of one hub. */
export const topics = {
  command: (hub: string) => `h/${hub}/command`,
  result: (hub: string) => `h/${hub}/result`,
  telemetry: (hub: string) => `h/${hub}/telemetry`,
  refused: (hub: string) => `h/${hub}/refused`,
} as const
