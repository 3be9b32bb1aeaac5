import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import type { LogRecord } from './event-log.ts'

/** The newest form of a log record that this code reads and writes. */
export const RECORD_VERSION = 1

const versioned = z.object({ version: z.number() })
const headers = z.object({
  version: z.literal(RECORD_VERSION),
  source: z.string(),
  role: z.enum(['hub', 'service']),
  generation: z.number().int(),
  received_ms: z.number().int(),
  listener: z.string(),
  codec: z.enum(['plain', 'gzip', 'zstd']),
  dead: z.string().optional(),
  replay: z.boolean().optional(),
})

/** Everything of a record but its value, as text that begins with its version. */
export function formatHeaders(record: LogRecord): string {
  const { value: _, ...rest } = record
  return JSON.stringify({ ...rest, version: RECORD_VERSION })
}

/** Raises `corrupt`, and names the version when the record is of a newer form than this code knows. */
export function parseRecord(text: string, value: Uint8Array): LogRecord {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (cause) {
    throw new Problem('corrupt', `a log record's headers are JSON; found ${text.slice(0, 80)}`, { cause })
  }
  const version = versioned.safeParse(found).data?.version
  if (version !== undefined && version > RECORD_VERSION) {
    throw new Problem(
      'corrupt',
      `a log record is of version ${version}; this Hearth reads up to version ${RECORD_VERSION}: use a newer Hearth`,
    )
  }
  const parsed = headers.safeParse(found)
  if (!parsed.success) {
    throw new Problem('corrupt', `a log record's headers do not fit: ${z.prettifyError(parsed.error)}`)
  }
  const { dead, replay, ...rest } = parsed.data
  return { ...rest, ...(dead === undefined ? {} : { dead }), ...(replay === undefined ? {} : { replay }), value }
}
