import { crc32c } from '@node-rs/crc32'
import { z } from 'zod'
import { BATCH_EVENTS_MAX, DROPPED_RANGES_MAX, PREVIOUS_BOOTS_MAX } from './limits.ts'

/** The version of the telemetry protocol that this code speaks. */
export const PROTOCOL_VERSION = 1

const sequence = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const bootText = z.string().regex(/^\d{1,9}-\d{1,9}-[0-9a-f]{8}$/, 'expected <generation>-<counter>-<8 hex digits>')
const range = z.tuple([sequence, sequence]).refine(([from, to]) => from < to, 'a range is [from, to) with from < to')
/** While more than 64 wait, an empty batch is sent to carry them, so a header never holds many more than that. */
const ranges = z.array(range).max(16 * DROPPED_RANGES_MAX)

/** The first line of a batch. `docs/hub-protocol.md` says what each field means. */
export const batchHeader = z.object({
  hearth: z.literal(PROTOCOL_VERSION),
  boot: bootText,
  stream: z.string().regex(/^[a-z0-9]{1,16}$/),
  first: sequence,
  count: z.number().int().min(0).max(BATCH_EVENTS_MAX),
  next: sequence,
  acked: sequence,
  now: z.number().min(0).optional(),
  wall: z.number().int(),
  firmware: z.string().max(64),
  agent: z.string().max(64),
  dropped: ranges,
  crc: z.string().regex(/^[0-9a-f]{8}$/),
  previous: z
    .array(z.object({ boot: bootText, next: sequence, acked: sequence, dropped: ranges, held: z.boolean() }))
    .max(PREVIOUS_BOOTS_MAX)
    .default([]),
})

export type BatchHeader = z.infer<typeof batchHeader>
export type PreviousBoot = BatchHeader['previous'][number]

/** How many ranges and earlier boots a header lists: what it may hold much of. */
export function listedIn({ dropped, previous }: Pick<BatchHeader, 'dropped' | 'previous'>): number {
  return previous.reduce((sum, boot) => sum + 1 + boot.dropped.length, dropped.length)
}

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of the event lines, each with its newline, as 8 hex digits. */
export function eventsCrc(lines: Uint8Array | string): string {
  return crc32c(typeof lines === 'string' ? lines : Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength))
    .toString(16)
    .padStart(8, '0')
}

/** How a batch's bytes are packed; told by their first bytes, never by a header. */
export type Codec = 'plain' | 'gzip' | 'zstd'

/** RFC 8878 section 3.1.1 (zstd) and RFC 1952 section 2.3.1 (gzip). */
export function codecOf(bytes: Uint8Array): Codec {
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return 'zstd'
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  return 'plain'
}

/**
 * What a gateway answers to a batch. `refused` means it is set aside for good, durably: do not send it again. `floor` is
 * there when the batch is of a running boot that a known counter of its source is above.
 */
export type BatchAnswer =
  | { readonly kind: 'durable'; readonly floor?: number }
  | { readonly kind: 'refused'; readonly reason: string }
