/** What the two processes of the benchmark `writer` are told, and answer. */
import { z } from 'zod'

/** Of bare DuckDB. */
export const THREADS = 2
export const MEMORY_LIMIT = '2GB'
export const LAYOUT = { epoch: 1, buckets: 4 } as const

export const timing = z.object({ ms: z.number(), cpu_us: z.number() })

export const writerTask = z.object({ folder: z.string() })
export const bareTask = z.object({ lines: z.string(), batches: z.string(), out: z.string(), temp: z.string() })
