import { type Clock, sleep } from '../contract/clock.ts'
import { isProblem, leaveFault, Problem } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import type { Attempt, Calculate, Made, Task } from './calculate.ts'
import type { Catalogue } from './catalogue.ts'
import { MADE_LOOK_MAX_MS, MADE_LOOK_MIN_MS, MADE_LOOK_SHARE } from './limits.ts'
import type { Metric } from './metric.ts'
import { joined } from './parts.ts'
import { readRunName, runName, runsOf } from './run-name.ts'
import { type RunObjects, type RunText, runObjects, runsUnderWay } from './run-objects.ts'
import type { EndOptions, Runner, RunRequest, WaitOptions } from './runner.ts'
import { decodeMade, encodeTask, openTask } from './task-form.ts'

export type ElsewhereOptions = {
  readonly lake: Lake
  readonly metrics: Catalogue
  readonly runner: Runner
  readonly clock: Clock
  /** What becomes of a run whose driver is told to stop: the next one goes on with it, or there is none. */
  readonly on_abort: 'leave' | 'end'
}

type Place = { readonly lake: Lake; readonly runner: Pick<Runner, 'end'> }

/** Ends a run, whatever it is at; what it made is gone. Raises what the runner's `end` raises, and then it stands. */
export async function endRun({ lake, runner }: Place, run: string, how?: EndOptions): Promise<void> {
  // In this order: what runs finds its task, and what is begun anew by this name finds nothing of this one.
  await runner.end(run, undefined, how)
  await runObjects(lake.store, run).clear()
}

/** Ends runs that went on from an older version of a metric's table: they are committed, or never can be. */
export async function endOlderRuns(
  place: Place,
  standing: readonly { readonly metric: Metric; readonly version: number }[],
  how?: EndOptions,
): Promise<void> {
  const { id, store } = place.lake
  const versions = new Map(standing.map(({ metric, version }) => [runsOf(id, metric), version]))
  for (const run of await runsUnderWay(store)) {
    const name = readRunName(run)
    if (name && name.version < (versions.get(name.of) ?? 0)) await endRun(place, run, how)
  }
}

/** Ends what a driver left that died when all was committed: to be called when one begins. Raises the signal's reason. */
export async function endLeftRuns(place: Place, metrics: Catalogue, signal?: AbortSignal): Promise<void> {
  try {
    const { lake } = place
    const there = new Set(await lake.tables())
    const standing: { readonly metric: Metric; readonly version: number }[] = []
    for (const metric of metrics.filter(({ name }) => there.has(name))) {
      const { version } = await (await lake.table(metric.name)).snapshot()
      standing.push({ metric, version })
    }
    await endOlderRuns(place, standing, { signal })
  } catch (error) {
    leaveFault(error) // the next start tries again
  }
}

/**
 * Calculates a task in parts, by a runner. The driver may die at any line: what it began has a name that the next finds it
 * by (run-name.ts) and goes on with, and of what it began before that nothing is left running. A run is over as soon as each
 * part has left what it made, whatever the runner says of it. Raises what a part says that it refuses (`corrupt`, `missing`), and
 * `unavailable`, with the attempts, when one has said nothing.
 */
export function calculateElsewhere({ lake, metrics, runner, clock, on_abort }: ElsewhereOptions): Calculate {
  const { store } = lake

  return async (asked, { signal, progress, tell }) => {
    const { metric, standing } = asked
    const run = runName(lake.id, metric, standing.snapshot.version)
    const over = () => endRun({ lake, runner }, run, { hurry: signal })
    // Beside the new one, whose name is another: one that cannot be ended must not keep it.
    const older = endOlderRuns({ lake, runner }, [{ metric, version: standing.snapshot.version }], {
      hurry: signal,
    }).catch(leaveFault)
    const objects = runObjects(store, run)
    const text = encodeTask(asked, runner.parts_max)
    const begun = await objects.begin(text)
    const isOurs = begun.text === text
    let attempts: readonly Attempt[] = []
    let failure: string | undefined
    let count = 0
    try {
      const { task, parts } = await openTask(lake, metrics, begun.text, isOurs ? asked : undefined)
      count = parts.length
      const request = { run, digest: begun.digest, metric: metric.name, parts: count }
      const done = (made: number) => progress?.(metric.name, unitsIn(parts.slice(0, made)), task.units.length)
      let news: readonly Attempt[] = []
      const heard = (all: readonly Attempt[]) => (news = all)
      if ((await objects.count(begun)) < count) {
        const made = (until: AbortSignal) => untilMade(clock, () => objects.count(begun), count, done, until)
        failure = await followed(runner, request, { signal, heard }, made)
        // Of a run that nobody answers for they say nothing.
        attempts = news
      }
      signal?.throwIfAborted()
      const texts = await madeOf(objects, begun, parts)
      const said = parts.map((part, index) => decodeMade(part, texts[index]))
      const refused = said.find((made) => made instanceof Problem)
      if (refused) throw refused
      const made = said.filter((one): one is Made => one !== undefined && !(one instanceof Problem))
      if (made.length === count) {
        signal?.throwIfAborted()
        attempts = attempts.map((one) => (one.outcome === 'running' ? { ...one, outcome: 'done' } : one))
        return { task, made: joined(made), over }
      }
      if (!(await isThere(objects, begun))) {
        await runner.end(run, begun.digest, { hurry: signal })
        throw new Problem('conflict', `${run} was ended by others: it was cancelled, or they committed it`)
      }
      const absent = said.flatMap((one, index) => (one === undefined ? [index] : []))
      throw new RunFailed(failed(run, count, absent, attempts, failure))
    } catch (error) {
      // One that nobody answers for may be going on, and the next look finds it; what others began is theirs to stop.
      const isLeft = signal?.aborted
        ? on_abort === 'leave' || !isOurs
        : isProblem(error, 'unavailable', 'unauthorized', 'conflict') && !(error instanceof RunFailed)
      if (!isLeft) await over().catch(leaveFault)
      throw error
    } finally {
      tell?.({ runner: runner.name, parts: count, attempts })
      await older
    }
  }
}

/** It is over, and has not come to what it was to make. */
class RunFailed extends Problem {
  constructor(message: string) {
    super('unavailable', message)
  }
}

/**
 * Resolves when the run is over, with why, or each of its parts is made, whichever is first: a cluster takes seconds to see
 * that a pod has ended. Who runs it and who looks have left off by then.
 */
async function followed(
  runner: Runner,
  request: RunRequest,
  { signal, heard }: WaitOptions,
  untilMade: (signal: AbortSignal) => Promise<undefined>,
): Promise<string | undefined> {
  const over = new AbortController()
  const until = signal ? AbortSignal.any([signal, over.signal]) : over.signal
  const both = [runner.run(request, { signal: until, heard }), untilMade(until)]
  try {
    return await Promise.race(both)
  } finally {
    over.abort()
    await Promise.allSettled(both)
  }
}

/** Looks until all are made, ever less often the longer it takes. */
async function untilMade(
  clock: Clock,
  count: () => Promise<number>,
  parts: number,
  done: (made: number) => void,
  signal: AbortSignal,
): Promise<undefined> {
  const begun_ms = clock.monotonic()
  for (let made = 0; made < parts; ) {
    const share_ms = (clock.monotonic() - begun_ms) * MADE_LOOK_SHARE
    await sleep(clock, Math.min(Math.max(share_ms, MADE_LOOK_MIN_MS), MADE_LOOK_MAX_MS), signal)
    const found = await count().catch(leaveFault)
    if (found !== undefined && found > made) done((made = found))
  }
}

async function madeOf(objects: RunObjects, of: RunText, parts: readonly Task[]) {
  return await Promise.all(parts.map((_, index) => objects.made(of, index)))
}

async function isThere(objects: RunObjects, { digest }: RunText): Promise<boolean> {
  try {
    return (await objects.begun()).digest === digest
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    return false
  }
}

function unitsIn(parts: readonly Task[]): number {
  return parts.reduce((sum, { units }) => sum + units.length, 0)
}

/** Says which parts are not made, and why each failed last. */
function failed(run: string, parts: number, absent: readonly number[], attempts: readonly Attempt[], failure = '') {
  const causes = absent.flatMap((index) => {
    const last = attempts.findLast((attempt) => attempt.index === index && attempt.cause !== undefined)
    return last ? [`part ${index} (${last.place}): ${last.cause}`] : []
  })
  const which =
    absent.length === parts ? 'none' : `not ${absent.slice(0, 10).join(', ')}${absent.length > 10 ? ' …' : ''}`
  return [`of ${parts} parts of ${run} ${which} came to an end`, failure, ...causes.slice(0, 3)]
    .filter(Boolean)
    .join('; ')
}
