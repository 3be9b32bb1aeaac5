import type { Clock } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import type { Catalogue } from './catalogue.ts'
import { DAY_MS, dayOf } from './day.ts'
import { highestFloor, type Named } from './floor.ts'
import { type Freshness, freshnessOf } from './freshness.ts'
import { type Cells, cellsOf, type HourRecord, openRecords, WHOLE_HISTORY_MS } from './ledger.ts'
import { HOUR_MS, SETTLE_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import {
  bucketsOf,
  type Cause,
  causeOf,
  type Floor,
  isComplete,
  isFrozen,
  type PlanState,
  plan,
  type Unit,
} from './plan.ts'
import type { Standing } from './run-metric.ts'
import { type UnitTime, unitTime } from './shape.ts'
import { nothingTouched, type Span, spansOf, type Touched } from './touched.ts'
import { catchUp } from './touched-fold.ts'

/** One bucket of an hour: what its rows were made from, unless it was never made, and why it is due if it is. */
export type Explained = {
  readonly bucket: number
  readonly record: HourRecord | undefined
  readonly cause: Cause | undefined
  /** Set when it is never made again: which table lacks rows that it would be made from. */
  readonly frozen?: Floor | undefined
}

/** Where one metric stands. */
export type MetricStatus = Freshness & {
  readonly metric: string
  /** Units that are due, oldest first. */
  readonly due: readonly Unit[]
  /** Units whose rows stand in the table. */
  readonly computed: number
  /** The newest hour of those; 0 for a whole history, undefined when there is none. */
  readonly newest_ms: number | undefined
}

/** What a plan is made from. All that it depends on is in the sign: where that is as before, so is the plan. */
export type Looked<S> = { readonly sign: string; readonly standing: S; state(): PlanState }

/** What stands and what is due, from the logs of the tables: it makes nothing, and a second look reads what is new. */
export type Look = {
  at<S extends Standing | undefined>(
    metric: Metric,
    now_ms: number,
    standingOf: (metric: Metric) => Promise<S>,
  ): Promise<Looked<S>>
  /** Each metric in order of calculation. */
  status(): Promise<readonly MetricStatus[]>
  /** From what each bucket of an hour was made. Raises `missing` for a metric or an hour that there is not. */
  explain(metric: string, hour_ms: number): Promise<readonly Explained[]>
  /** Why no metric has anything of a span, whose end is exclusive; undefined where one may have. */
  absence(span: Span): Promise<string | undefined>
}

const NO_CELLS: Cells = new Map()

/** `folds`: where those of touched hours are read, and put when many versions are not in one. */
export function openLook(options: {
  readonly lake: Lake
  readonly clock: Clock
  readonly metrics: Catalogue
  readonly folds: ObjectStore
}): Look {
  const { lake, clock, metrics, folds } = options
  const seen = new Map<string, Touched>()
  /** By metric: what was told of the state with this sign. */
  const told = new Map<string, { readonly sign: string; readonly status: MetricStatus }>()
  let spans: { readonly sign: string; readonly of: readonly Span[] } | undefined
  const buckets = lake.layouts.at(-1)?.buckets ?? 1

  async function touchedOf(name: string): Promise<Touched> {
    const touched = seen.get(name) ?? nothingTouched()
    seen.set(name, touched)
    const table = await tableThere(lake, name)
    if (table) await catchUp(touched, table, folds)
    return touched
  }

  async function standingOf(name: string): Promise<Standing | undefined> {
    const table = await tableThere(lake, name)
    return table && { table, snapshot: await table.snapshot() }
  }

  /** Several metrics read a table, and in one pass over them each table is asked for once. */
  const openPass = () => ({ touched: once(touchedOf), standing: once(standingOf) })

  async function lookAt<S extends Standing | undefined>(
    metric: Metric,
    now_ms: number,
    ownStanding: (metric: Metric) => Promise<S>,
    pass: ReturnType<typeof openPass>,
  ): Promise<Looked<S>> {
    const events = await pass.touched('events')
    const inputs = new Map<string, Touched>()
    for (const { table } of metric.inputs) inputs.set(table, await pass.touched(table))
    const standing = await ownStanding(metric)
    const snapshot = standing?.snapshot
    const floors: Named[] = snapshot ? [[metric.name, snapshot]] : []
    for (const { table } of metric.inputs) {
      const read = await pass.standing(table)
      if (read) floors.push([table, read.snapshot])
    }
    const floor = highestFloor(floors)
    const versions = [events, ...inputs.values(), snapshot].map((one) => one?.version ?? -1)
    const hours = [now_ms, now_ms - SETTLE_MS].map((time_ms) => Math.floor(time_ms / HOUR_MS))
    return {
      sign: [...versions, floor?.from_ms, ...hours].join(' '),
      standing,
      state() {
        const sign = `${events.version} ${Math.floor(now_ms / HOUR_MS)}`
        if (spans?.sign !== sign) spans = { sign, of: spansOf(events, now_ms) }
        const cells = snapshot ? cellsOf(metric, snapshot) : NO_CELLS
        return { metric, now_ms, inputs, floor, spans: spans.of, buckets, cells }
      },
    }
  }

  async function statusOf(metric: Metric, now_ms: number, pass: ReturnType<typeof openPass>): Promise<MetricStatus> {
    const { sign, state } = await lookAt(metric, now_ms, ({ name }) => pass.standing(name), pass)
    const before = told.get(metric.name)
    if (before?.sign === sign) return before.status
    const status = statusIn(state())
    told.set(metric.name, { sign, status })
    return status
  }

  return {
    at: (metric, now_ms, ownStanding) => lookAt(metric, now_ms, ownStanding, openPass()),
    async status() {
      const now_ms = clock.now()
      const pass = openPass()
      const all: MetricStatus[] = []
      for (const metric of metrics) all.push(await statusOf(metric, now_ms, pass))
      return all
    },
    async explain(name, hour_ms) {
      const metric = metrics.find((one) => one.name === name)
      if (!metric) {
        throw new Problem(
          'missing',
          `there is no metric ${name}; there are ${metrics.map((one) => one.name).join(', ')}`,
        )
      }
      const state = (await lookAt(metric, clock.now(), () => standingOf(name), openPass())).state()
      const time = unitTime(metric.shape)
      if (time) refuseOutside(state, hour_ms, time)
      const hour = time ? Math.floor(hour_ms / time.length_ms) * time.length_ms : WHOLE_HISTORY_MS
      const records = openRecords(state.cells)
      return bucketsOf(state).map((bucket) => ({
        bucket,
        record: records.get(hour, bucket),
        cause: causeOf(state, hour, bucket),
        ...(isFrozen(state, hour) && { frozen: state.floor }),
      }))
    },
    async absence(span) {
      const now_ms = clock.now()
      return absence({ spans: spansOf(await touchedOf('events'), now_ms), now_ms }, span, DAY_MS)
    },
  }
}

function statusIn(state: PlanState): MetricStatus {
  let computed = 0
  let newest_ms: number | undefined
  for (const { sum } of state.cells.values()) {
    computed += sum.count
    newest_ms = Math.max(newest_ms ?? sum.newest_ms, sum.newest_ms)
  }
  return { metric: state.metric.name, due: plan(state), computed, newest_ms, ...freshnessOf(state) }
}

function once<T>(look: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const looked = new Map<string, Promise<T>>()
  return async (name) => {
    const found = looked.get(name) ?? look(name)
    looked.set(name, found)
    return await found
  }
}

async function tableThere(lake: Lake, name: string): Promise<Table | undefined> {
  try {
    return await lake.table(name)
  } catch (error) {
    if (isProblem(error, 'missing')) return undefined
    throw error
  }
}

/** `2026-11-24T13:00Z` */
const timeText = (ms: number) => `${new Date(ms).toISOString().slice(0, 16)}Z`

/** Why there is nothing of a span whose end is exclusive, in units of this length; undefined where there may be. */
function absence({ spans, now_ms }: Pick<PlanState, 'spans' | 'now_ms'>, { from_ms, to_ms }: Span, length_ms: number) {
  if (from_ms > now_ms) return 'it has not begun'
  const next = spans.find((span) => from_ms <= span.to_ms)
  if (!next) return 'there are no events yet'
  if (to_ms > Math.floor(next.from_ms / length_ms) * length_ms) return undefined
  const why = next === spans[0] ? 'nothing is known of so long ago' : 'nothing is known of more than a month around it'
  return `${why}; the next hour that it has is ${timeText(next.from_ms)}`
}

/** Raises `missing` for an hour that has not begun, or whose day is not over, or from before anything is known. */
function refuseOutside(state: PlanState, hour_ms: number, { column, length_ms }: UnitTime): void {
  const why = absence(state, { from_ms: hour_ms, to_ms: hour_ms + 1 }, length_ms)
  const isOpen = why === undefined && column === 'day' && !isComplete(dayOf(hour_ms), state.now_ms, DAY_MS)
  const told = isOpen ? 'it is made of whole days, once they are over' : why
  if (told !== undefined) throw new Problem('missing', `${state.metric.name} has no hour ${timeText(hour_ms)}: ${told}`)
}
