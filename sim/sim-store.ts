import type { ObjectStore } from '../lake/object-store.ts'
import type { StepName } from './step.ts'
import type { Life, World } from './world.ts'

/** What a process commits; a part of a run commits nothing. */
export type Committer = 'ingest' | 'compact' | 'floor' | 'erase' | 'replace' | 'part'

/** An object store at the other end of a network: each call is a step, and may take effect after its caller died. */
export function simStore(world: World, life: Life, store: ObjectStore, committer: Committer): ObjectStore {
  const ofJobs = committer === 'replace' || committer === 'part'
  const getStep = ofJobs ? 'jobs.get' : 'store.get'
  const putStep = (path: string): StepName => {
    if (path.startsWith('_hearth/ranges/')) return 'ranges.snapshot'
    if (path.endsWith('.checkpoint.parquet')) return 'checkpoint.put'
    if (path.endsWith('_last_checkpoint')) return 'checkpoint.hint'
    if (path.startsWith('_hearth/runs/')) return 'run.put'
    if (committer !== 'part' && path.includes('/_delta_log/')) return `commit.${committer}`
    return ofJobs ? 'jobs.put' : 'store.put'
  }
  return {
    url: store.url,
    get: (path, range) => world.call(life, getStep, () => store.get(path, range), path),
    head: (path) => world.call(life, getStep, () => store.head(path), path),
    put: (path, body, options) => world.call(life, putStep(path), () => store.put(path, body, options), path),
    /** A listing takes a while: it comes in two pages, and the world goes on between them. */
    async *list(prefix, options) {
      const all = []
      for await (const meta of store.list(prefix, options)) all.push(meta)
      const end = all[Math.floor(world.between(0, 3 * all.length))]?.path
      const page = (startAfter: string | undefined, through: string | undefined) =>
        world.call(
          life,
          ofJobs ? 'jobs.list' : 'store.list',
          async () => {
            const found = []
            for await (const meta of store.list(prefix, startAfter === undefined ? {} : { startAfter }))
              if (through === undefined || meta.path <= through) found.push(meta)
            return found
          },
          prefix,
        )
      yield* await page(options?.startAfter, end)
      if (end !== undefined) yield* await page(end, undefined)
    },
    delete: (path) => {
      const ofRun = path.startsWith('_hearth/runs/') ? 'run.delete' : 'vacuum.delete'
      const step = path.includes('/_delta_log/') ? 'cleanup.delete' : ofRun
      return world.call(life, step, () => store.delete(path), path)
    },
  }
}
