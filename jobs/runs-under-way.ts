import { isProblem } from '../contract/problem.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Catalogue } from './catalogue.ts'
import { runStanding, runsUnderWay } from './run-objects.ts'
import { aboutTask } from './task-form.ts'

/** A run that others calculate and that is not over. */
export type RunUnderWay = {
  readonly run: string
  readonly since_ms: number
  /** Parts that are made. */
  readonly made: number
  /** undefined for a run of another Hearth, whose text this one does not know. */
  readonly about: { readonly metric: string; readonly units: number; readonly parts: number } | undefined
}

/** Each run that is not over, by name: from the lake's store, whoever drives it. */
export async function lookAtRuns(store: ObjectStore, metrics: Catalogue): Promise<readonly RunUnderWay[]> {
  const all: RunUnderWay[] = []
  for (const name of await runsUnderWay(store)) {
    const standing = await runStanding(store, name)
    if (!standing) continue
    const { run, since_ms, made, begun } = standing
    all.push({ run, since_ms, made, about: aboutOf(metrics, begun.text) })
  }
  return all
}

function aboutOf(metrics: Catalogue, text: string): RunUnderWay['about'] {
  try {
    return aboutTask(metrics, text)
  } catch (error) {
    if (!isProblem(error, 'invalid')) throw error
    return undefined
  }
}
