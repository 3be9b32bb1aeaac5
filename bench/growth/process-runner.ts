import { join } from 'node:path'
import { z } from 'zod'
import type { Runner } from '../../jobs/runner.ts'
import { inParallel } from '../../lake/in-parallel.ts'
import { runChild } from '../child.ts'

export const partTask = z.object({
  /** The lake is `lake` in it. */
  place: z.string(),
  now_ms: z.number(),
  run: z.string(),
  index: z.number(),
})
export const partAnswer = z.object({ done: z.boolean() })

/** Each part of a run in a process of its own, on this machine: as many as are to be at once. */
export function processRunner(place: string, now_ms: number, indexes: number): Runner {
  return {
    name: 'processes',
    parts_max: indexes,
    async run({ run, parts }, { heard }) {
      const attempts = await inParallel(parts, indexes, async (index) => {
        await runChild(join(import.meta.dirname, 'part-child.ts'), { place, now_ms, run, index }, partAnswer)
        return { index, place: 'process', outcome: 'done' as const }
      })
      heard(attempts)
      return undefined
    },
    end: async () => undefined,
  }
}
