import { openLake } from '../../lake/lake.ts'
import { seededRandom } from '../../sim/clock.ts'
import type { Attempt } from '../calculate.ts'
import { calculatePart } from '../calculate-part.ts'
import type { Catalogue } from '../catalogue.ts'
import { catalogue } from '../catalogue.ts'
import type { Runner } from '../runner.ts'
import type { History } from './history.ts'

export type PartRunner = Runner & {
  /** Each part that was calculated: `<run>/<index>`. */
  readonly calculated: string[]
  /** Runs that were started and not ended. */
  readonly started: ReadonlyMap<string, Started>
}

type Started = { readonly digest: string; readonly attempts: Attempt[]; readonly over: Promise<string | undefined> }

export type PartRunnerOptions = {
  readonly metrics?: Catalogue
  readonly tries?: number
  /** Before each try; what it throws is how the try ends. */
  readonly before?: (index: number, attempt: number) => void | Promise<void>
  /** Once a part has left what it made. */
  readonly after?: (index: number) => void | Promise<void>
}

/** A runner that other drivers share, as they share a cluster: parts go on whatever becomes of who began them. */
export function openPartRunner({ lake, clock }: History, options: PartRunnerOptions = {}): PartRunner {
  const { metrics = catalogue(), tries = 2 } = options
  const calculated: string[] = []
  let begun = 0
  const started = new Map<string, Started>()

  async function part(run: string, index: number, attempts: Attempt[]): Promise<void> {
    for (let attempt = 1; attempt <= tries; attempt++) {
      const place = `try ${attempt}`
      try {
        await options.before?.(index, attempt)
        const theirs = await openLake({ store: lake.store, clock, random: seededRandom(7) })
        const scratch_folder = lake.store.localPath?.('scratch') ?? ''
        // Of its own: it names files, and parts of several runs are calculated at once.
        const random = seededRandom(10 + begun++)
        if (await calculatePart({ lake: theirs, clock, random, scratch_folder, metrics }, run, index))
          calculated.push(`${run}/${index}`)
        await options.after?.(index)
        attempts.push({ index, place, outcome: 'done' })
        return
      } catch (error) {
        attempts.push({ index, place, outcome: 'failed', cause: String(error) })
      }
    }
  }

  async function all(run: string, parts: number, attempts: Attempt[]): Promise<string | undefined> {
    for (let index = 0; index < parts; index++) await part(run, index, attempts)
    const failed = attempts.filter(({ outcome }) => outcome === 'failed').length
    return failed === 0 ? undefined : `${failed} tries failed`
  }

  return {
    name: 'parts',
    parts_max: 3,
    calculated,
    started,
    async run({ run, digest, parts }, { signal, heard }) {
      const known = started.get(run)
      const begun: Attempt[] = []
      const entry = known?.digest === digest ? known : { digest, attempts: begun, over: all(run, parts, begun) }
      started.set(run, entry)
      const stopped = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
      signal?.throwIfAborted()
      try {
        return await Promise.race([entry.over, stopped])
      } finally {
        heard(entry.attempts)
      }
    },
    async end(run, digest) {
      const found = started.get(run)
      if (!found || (digest !== undefined && found.digest !== digest)) return
      await found.over
      started.delete(run)
    },
  }
}
