import { z } from 'zod'
import { VERSIONS_DEFAULT, VERSIONS_MAX } from './limits.ts'

/** What the Lake page is answered. */

const time_ms = z.number().describe('ms since 1970 UTC')

const bucketLook = z.object({
  bucket: z.number(),
  rows: z.number(),
  bytes: z.number(),
  files: z.number(),
  newest_ms: time_ms.nullable().describe('received_time of the newest event'),
})

export const tableLook = z.object({
  name: z.string(),
  version: z.number(),
  committed_ms: time_ms.describe('when the newest version was committed'),
  rows: z.number(),
  bytes: z.number(),
  files: z.number(),
  small_files: z.number().describe('below 16 MiB; those of a metric are small by design and not counted'),
  fullest_partition: z.number().describe('small files of the partition that has most of them'),
  sizes: z
    .array(z.number())
    .describe('files by size: below 64 KiB, 256 KiB, 1 MiB, 4 MiB, 16 MiB, 64 MiB, 256 MiB, above'),
  upkeep: z.object({
    looked_versions: z.number().describe('so many of the newest versions were looked at'),
    compacted_ms: time_ms.nullable().describe('newest compaction among them'),
    vacuumed_ms: time_ms.nullable().describe('newest floor of vacuum among them'),
    floor: z.number().nullable().describe('oldest version that vacuum left whole'),
  }),
  buckets: z.array(bucketLook).describe('of the table events'),
})
export type TableLook = z.infer<typeof tableLook>

const reason = z.object({
  reason: z.string(),
  events: z.number(),
  sources: z.number(),
  example: z.string().describe('one of the sources'),
  newest_ms: time_ms,
})

export const LOSS_KINDS = ['gap', 'accepted', 'replaced'] as const
const loss = z.object({
  kind: z
    .enum(LOSS_KINDS)
    .describe(
      'gap: log and table do not join up; accepted: somebody gave up what is missing; replaced: another log took its place, perhaps without any loss',
    ),
  time_ms,
  bucket: z.number(),
  log_id: z.string(),
  table_position: z.number(),
  log_first: z.number(),
  log_next: z.number(),
  reason: z.string(),
})

export const lakeAnswer = z.object({
  tables: z.array(tableLook),
  lags: z
    .array(z.object({ bucket: z.number(), seconds: z.number().nullable(), stopped: z.boolean() }))
    .nullable()
    .describe(
      'by bucket: age of the oldest batch that is not in the table, null where the log cannot tell, and whether the bucket is stopped; null where no writer runs beside',
    ),
  dead: z.object({ reasons: z.array(reason), sql: z.string() }).describe('dead letters received in the window'),
  losses: z.object({ rows: z.array(loss), sql: z.string().nullable() }),
})
export type LakeAnswer = z.infer<typeof lakeAnswer>
export type LossLook = z.infer<typeof loss>

export const versionsParams = z.object({ table: z.string().max(64) })
export const versionsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(VERSIONS_MAX).default(VERSIONS_DEFAULT),
})

const versionLook = z.object({
  version: z.number(),
  time_ms,
  kind: z.string().describe('ingest, replace, compact, metadata, floor, erase; of another engine its operation'),
  added: z.number().describe('files'),
  removed: z.number().describe('files'),
  rows: z.number().describe('rows of the added files'),
  bytes: z.number().describe('bytes of the added files'),
  batches: z.number().nullable(),
  duplicates: z.number().nullable().describe('events left out, as they were stored before'),
})
export type VersionLook = z.infer<typeof versionLook>

export const versionsAnswer = z.object({ versions: z.array(versionLook).describe('newest first') })
export type VersionsAnswer = z.infer<typeof versionsAnswer>
