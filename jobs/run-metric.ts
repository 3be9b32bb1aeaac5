import { uuid } from '../contract/clock.ts'
import { isProblem, leaveFault } from '../contract/problem.ts'
import type { Touched as TouchedInfo } from '../contract/touched.ts'
import { removeOf } from '../lake/action.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import type { Calculate, CalculateOptions, Pinned, Task } from './calculate.ts'
import { dayKey } from './day.ts'
import { highestFloor } from './floor.ts'
import type { JobsOptions, MetricRun } from './jobs.ts'
import { checkDefinition, WHOLE_HISTORY_MS } from './ledger.ts'
import type { PlanState } from './plan.ts'
import { ALL } from './touched.ts'

/** What stands of a metric. */
export type Standing = { readonly table: Table; readonly snapshot: Snapshot }

/** Makes units and commits them at once; undefined when others were first. Raises what calculate.ts raises. */
export async function runMetric(
  { lake, clock, random }: JobsOptions,
  calculate: Calculate,
  state: PlanState & Standing,
  work: Pick<Task, 'units' | 'last_ms'>,
  options: CalculateOptions,
): Promise<MetricRun | undefined> {
  const { metric, table, snapshot, cells, now_ms } = state
  checkDefinition(metric, cells)
  const begin_ms = clock.monotonic()
  const inputs = new Map<string, Pinned>()
  const versions: Record<string, number> = {}
  for (const { table: name } of metric.inputs) {
    const input = await lake.table(name)
    inputs.set(name, { snapshot: await input.snapshot(), prefix: input.prefix })
    versions[name] = state.inputs.get(name)?.version ?? -1
  }
  // Rows may have gone since it was planned: what they were in is not to be made anew without them.
  const floor = highestFloor([...inputs].map(([name, input]) => [name, input.snapshot]))
  if ((floor?.from_ms ?? 0) > (state.floor?.from_ms ?? 0)) return undefined
  const asked: Task = { metric, now_ms, ...work, standing: { prefix: table.prefix, snapshot }, cells, inputs, versions }
  const calculated = await calculate(asked, options).catch((error: unknown) => {
    if (!isProblem(error, 'conflict')) throw error
  })
  if (!calculated) return undefined
  const { task, made, over } = calculated
  const { adds, removes, changed, rows, damage } = made
  if (damage && made.units.length === 0) {
    await over()
    throw damage
  }
  const touched: TouchedInfo = { hours: metric.shape === 'bucket' ? [] : [...changed], issued: [], registry: [] }
  if (metric.shape === 'bucket') touched.registry = registryTouched(state, changed)
  const outcome = await table.commit({
    id: uuid(random),
    kind: 'replace',
    base: task.standing.snapshot,
    adds: [...adds],
    removes: removes.map((add) => removeOf(add)),
    txns: [],
    info: { touched, inputs: task.versions, revision: metric.revision, definition: metric.hash },
    ...(options.signal ? { signal: options.signal } : {}),
  })
  // What it cannot tidy up now, the next look finds: the commit stands.
  await over().catch(leaveFault)
  if (outcome.kind !== 'committed') return undefined
  const sorted = made.units.toSorted((a, b) => a.hour_ms - b.hour_ms || a.bucket - b.bucket)
  return {
    metric: metric.name,
    units: sorted,
    rows,
    ms: clock.monotonic() - begin_ms,
    version: outcome.version,
    damage,
    adopted: task !== asked,
  }
}

/** From when on the history of each changed bucket is another: the earliest registry row since it was last made. */
function registryTouched(state: PlanState, changed: readonly [number, number][]): [number, number][] {
  return changed.map(([, bucket]) => {
    const since = state.cells.get(dayKey(WHOLE_HISTORY_MS, bucket))?.sum.inputs['events'] ?? -1
    const news = (state.inputs.get('events')?.validity.rows ?? []).filter(
      (one) => one.version > since && (one.bucket === bucket || one.bucket === ALL),
    )
    return [bucket, news.length === 0 ? 0 : Math.min(...news.map(({ from_ms }) => from_ms))]
  })
}
