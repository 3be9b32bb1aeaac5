/** What the process of the benchmark `soak` is told, and what it says in lines. */
import { z } from 'zod'

/** `ingest`: gateway and writer. `fill`: the gateway alone. `catch-up`: the writer alone. */
export const soakTask = z.object({
  folder: z.string(),
  phase: z.enum(['ingest', 'fill', 'catch-up']),
  seed: z.number(),
  events: z.number(),
  /** Dates that the events lie on, back from today. */
  dates: z.number(),
})
export type SoakTask = z.infer<typeof soakTask>

/** A look each second: RSS, and events that are in the table. */
export const sample = z.object({ rss_bytes: z.number(), committed: z.number() })
export type Sample = z.infer<typeof sample>

/** What was sent, at the end. */
export const sent = z.object({
  ...{ batches: z.number(), events: z.number(), malformed: z.number(), plain_bytes: z.number() },
  ...{ zstd_plain_bytes: z.number(), zstd_bytes: z.number(), checksum: z.string(), ms: z.number() },
})
export type Sent = z.infer<typeof sent>

export type Memory = {
  readonly peak_bytes: number
  /** Of the second half's peaks, one a commit, by least squares, for each ten million events: a share of their mean. */
  readonly growth: number | undefined
}

/** Of fewer events no growth is told: what a process gathers as it begins would be taken for it. */
const EVENTS_MIN = 20_000_000
/** Nor of fewer peaks. */
const PEAKS_MIN = 5

/** Pure. */
export function memoryOf(samples: readonly Sample[]): Memory {
  const peak_bytes = Math.max(0, ...samples.map(({ rss_bytes }) => rss_bytes))
  const last = samples.at(-1)?.committed ?? 0
  // While an attempt is encoded memory rises, and falls with its commit: only its peaks can be held against each other.
  const peaks = new Map<number, number>()
  for (const { committed, rss_bytes } of samples) peaks.set(committed, Math.max(rss_bytes, peaks.get(committed) ?? 0))
  const half = [...peaks]
    .map(([committed, rss_bytes]) => ({ committed, rss_bytes }))
    .filter(({ committed }) => committed >= last / 2 && committed < last)
  if (last < EVENTS_MIN || half.length < PEAKS_MIN) return { peak_bytes, growth: undefined }
  const mean = (of: (one: Sample) => number) => half.reduce((sum, one) => sum + of(one), 0) / half.length
  const [events, bytes] = [mean((one) => one.committed), mean((one) => one.rss_bytes)]
  const spread = half.reduce((sum, one) => sum + (one.committed - events) ** 2, 0)
  const together = half.reduce((sum, one) => sum + (one.committed - events) * (one.rss_bytes - bytes), 0)
  return { peak_bytes, growth: ((together / spread) * 1e7) / bytes }
}
