import { isProblem, Problem } from '../contract/problem.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { putOnce } from '../lake/put-once.ts'

/**
 * The tasks of a run and what came of them, as objects `_hearth/runs/<run>/task-<index>` and `made-<index>`: what goes
 * between who drives a run and who calculates. What came of a task is put once: of two who made it, the first counts.
 */
export type RunObjects = {
  putTask(index: number, text: string): Promise<void>
  /** Raises `missing`. */
  task(index: number): Promise<string>
  putMade(index: number, text: string): Promise<void>
  /** undefined until it is there. */
  made(index: number): Promise<string | undefined>
  /** When the run is over: files that were written and not committed are left to vacuum. */
  clear(): Promise<void>
}

export function runObjects(store: ObjectStore, run: string): RunObjects {
  if (!/^[a-z0-9-]{1,63}$/.test(run))
    throw new Problem('invalid', `expected the name of a run, of a-z, 0-9 and dashes; found ${run}`)
  const folder = `_hearth/runs/${run}`
  const taskPath = (index: number) => `${folder}/task-${index}`
  const madePath = (index: number) => `${folder}/made-${index}`
  const textOf = async (path: string) => Buffer.from(await store.get(path)).toString('utf8')
  return {
    putTask: (index, text) => putOnce(store, taskPath(index), Buffer.from(text)),
    async task(index) {
      try {
        return await textOf(taskPath(index))
      } catch (cause) {
        if (!isProblem(cause, 'missing')) throw cause
        throw new Problem('missing', `run ${run} has no task ${index}: it is over, or never was`, { cause })
      }
    },
    putMade: (index, text) => putOnce(store, madePath(index), Buffer.from(text)),
    async made(index) {
      try {
        return await textOf(madePath(index))
      } catch (error) {
        if (!isProblem(error, 'missing')) throw error
        return undefined
      }
    },
    async clear() {
      for await (const { path } of store.list(`${folder}/`)) await store.delete(path)
    },
  }
}
