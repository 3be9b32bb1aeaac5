import { createHash } from 'node:crypto'
import { isProblem, Problem } from '../contract/problem.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { putOnce } from '../lake/put-once.ts'

const FOLDER = '_hearth/runs'
const DIGEST_DIGITS = 12

/** What a run is to make, as whoever began it wrote it, and a name for just this text. */
export type RunText = { readonly text: string; readonly digest: string }

/**
 * A run as objects `_hearth/runs/<run>/task` and `…/made-<digest>-<index>`: what goes between who drives it and who calculates
 * its parts. Each is put once: of two drivers, and of two who made a part, the first counts. What was made for another text
 * of the same run is never taken for this one's.
 */
export type RunObjects = {
  /** Puts a text unless there is one; resolves with the one that counts. */
  begin(text: string): Promise<RunText>
  /** Raises `missing`. */
  begun(): Promise<RunText>
  putMade(of: RunText, index: number, text: string): Promise<void>
  /** undefined until it is there. */
  made(of: RunText, index: number): Promise<string | undefined>
  /** How many parts are made. */
  count(of: RunText): Promise<number>
  /** When the run is over: files that were written and not committed are left to vacuum. */
  clear(): Promise<void>
}

/** Raises `invalid` for what cannot be the name of a run. */
export function runObjects(store: ObjectStore, run: string): RunObjects {
  if (!/^[a-z0-9-]{1,63}$/.test(run))
    throw new Problem('invalid', `expected the name of a run, of a-z, 0-9 and dashes; found ${run}`)
  const taskPath = `${FOLDER}/${run}/task`
  const madePath = (of: RunText, index: number) => `${FOLDER}/${run}/${madePrefix(of)}${index}`
  const textOf = async (path: string) => Buffer.from(await store.get(path)).toString('utf8')
  const objects: RunObjects = {
    async begin(text) {
      await putOnce(store, taskPath, Buffer.from(text))
      return await objects.begun()
    },
    async begun() {
      try {
        const text = await textOf(taskPath)
        return { text, digest: createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS) }
      } catch (cause) {
        if (!isProblem(cause, 'missing')) throw cause
        throw new Problem('missing', `there is no run ${run}: it is over, or never was`, { cause })
      }
    },
    putMade: (of, index, text) => putOnce(store, madePath(of, index), Buffer.from(text)),
    async made(of, index) {
      try {
        return await textOf(madePath(of, index))
      } catch (error) {
        if (!isProblem(error, 'missing')) throw error
        return undefined
      }
    },
    async count(of) {
      let count = 0
      for await (const { path } of store.list(`${FOLDER}/${run}/`)) if (nameOf(path).startsWith(madePrefix(of))) count++
      return count
    },
    async clear() {
      // The task first: who finds no task does not begin.
      await store.delete(taskPath)
      for await (const { path } of store.list(`${FOLDER}/${run}/`)) await store.delete(path)
    },
  }
  return objects
}

const madePrefix = ({ digest }: RunText) => `made-${digest}-`
const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)

/** A run that is not over, as the store tells of it. */
export type RunStanding = {
  readonly run: string
  readonly begun: RunText
  readonly since_ms: number
  /** Parts of this text that were made. */
  readonly made: number
}

/** What stands of a run; undefined when it has just ended. */
export async function runStanding(store: ObjectStore, run: string): Promise<RunStanding | undefined> {
  try {
    const begun = await runObjects(store, run).begun()
    let made = 0
    let since_ms = 0
    for await (const { path, modified_ms } of store.list(`${FOLDER}/${run}/`)) {
      const name = nameOf(path)
      if (name === 'task') since_ms = modified_ms
      else if (name.startsWith(madePrefix(begun))) made++
    }
    return { run, begun, since_ms, made }
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    return undefined
  }
}

/** Names of the runs that are not over, ascending. */
export async function runsUnderWay(store: ObjectStore): Promise<readonly string[]> {
  const names = new Set<string>()
  for await (const { path } of store.list(`${FOLDER}/`)) names.add(path.slice(FOLDER.length + 1).split('/')[0] ?? '')
  return [...names]
}
