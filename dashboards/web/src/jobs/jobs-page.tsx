import type { JobsAnswer } from '../../../jobs-api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { Fact } from '../fact.tsx'
import { parameter } from '../location.ts'
import { counted, NOTHING, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Empty, Trouble } from '../state-notes.tsx'
import { age, dayTime, minuteTime, range } from '../time-range.ts'
import { ExplainHour } from './explain-hour.tsx'
import './jobs.css'
import { MetricsCard } from './metrics-card.tsx'
import { RunsCard } from './runs-card.tsx'
import { dueUnits, lateBy, troublesOf } from './standing.ts'
import { UnderWayCard } from './under-way-card.tsx'

const EVERY_MS = 10_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Are the metrics fresh, what is due and why, what is being calculated, and what failed. */
export function JobsPage() {
  const { state, retry } = useResource(
    () => {
      const { from_ms, to_ms } = range.value
      const address = new URLSearchParams({
        from: String(Math.floor(from_ms / MINUTE_MS) * MINUTE_MS),
        to: String(Math.ceil(to_ms / MINUTE_MS) * MINUTE_MS),
      })
      for (const name of ['metric', 'failed']) {
        const value = parameter(name)
        if (value) address.set(name, value)
      }
      return `/api/jobs?${address}`
    },
    (address, signal) => ask<JobsAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const { answer } = resource
  const stale = resource.failure !== undefined
  const empty = answer?.metrics.every(({ computed, due }) => computed === 0 && due.length === 0) ?? false
  return (
    <>
      <div class="heading">
        <h1>Jobs</h1>
        {answer && !empty && <Verdict answer={answer} />}
      </div>
      <Trouble what="The jobs" resource={resource} retry={retry} />
      {empty ? (
        <div class="card">
          <Empty title="Nothing to calculate yet">
            Metrics are made of events, and none is in the lake. Start a fleet of simulated homes with{' '}
            <code>hearth up --demo</code>, or connect a hub: <code>hearth hub --help</code>. Its hours are due as soon
            as the first batch is committed.
          </Empty>
        </div>
      ) : (
        <>
          <Facts answer={answer} stale={stale} />
          <MetricsCard metrics={answer?.metrics} chosen={parameter('metric')} />
          <UnderWayCard runs={answer?.under_way} />
          <ExplainHour standing={state} />
          <RunsCard {...(answer && { runs: answer.runs, metrics: answer.metrics })} />
        </>
      )}
    </>
  )
}

/** The ten-second answer: what is wrong, or that nothing is. */
function Verdict({ answer }: { readonly answer: JobsAnswer }) {
  const troubles = troublesOf(answer, now.value)
  const due = answer.metrics.reduce((sum, metric) => sum + dueUnits(metric), 0)
  return (
    <p class="verdict">
      {troubles.length === 0 ? (
        <>
          Every metric is fresh, and none fails
          {due > 0 && <>; {counted(due, 'unit')} due</>}.
        </>
      ) : (
        <>
          To look at: <b>{troubles.join('; ')}</b>.
        </>
      )}
    </p>
  )
}

function Facts({ answer, stale }: { readonly answer: JobsAnswer | undefined; readonly stale: boolean }) {
  const metrics = answer?.metrics ?? []
  const late = metrics.filter((metric) => lateBy(metric, now.value) > 0)
  const failing = metrics.filter((metric) => metric.failing !== null)
  const slowest = late.toSorted((a, b) => lateBy(b, now.value) - lateBy(a, now.value))[0]
  const fleet = metrics.find(({ metric }) => metric === 'fleet_hours')?.complete_to_ms ?? null
  const due = metrics.reduce((sum, metric) => sum + dueUnits(metric), 0)
  const withDue = metrics.filter((metric) => metric.due.length > 0).length
  const parts = (answer?.under_way ?? []).flatMap(({ about, made }) => (about ? [{ made, parts: about.parts }] : []))
  const sum = (of: (run: { readonly made: number; readonly parts: number }) => number) =>
    parts.reduce((total, run) => total + of(run), 0)
  const old = fleet !== null && now.value - fleet > DAY_MS
  return (
    <div class="figures facts">
      <Fact
        title="Late metrics"
        definition="metric_freshness"
        text={answer && whole(late.length)}
        note={
          answer &&
          (slowest
            ? `${slowest.metric} by ${age(lateBy(slowest, now.value))}`
            : `of ${counted(metrics.length, 'metric')}`)
        }
        tone={late.length > 0 ? 'bad' : undefined}
        stale={stale}
      />
      <Fact
        title="Fleet complete to"
        definition="metric_freshness"
        text={answer && (fleet === null ? NOTHING : old ? dayTime(fleet) : minuteTime(fleet))}
        note={answer && (fleet === null ? 'no hour is complete yet' : `${age(now.value - fleet)} ago`)}
        stale={stale}
      />
      <Fact
        title="Due units"
        definition="due_units"
        text={answer && whole(due)}
        note={answer && (due === 0 ? 'all is made' : `of ${counted(withDue, 'metric')}`)}
        stale={stale}
      />
      <Fact
        title="Under way elsewhere"
        definition="runs_under_way"
        text={answer && whole(answer.under_way.length)}
        unit={answer?.under_way.length === 1 ? 'run' : 'runs'}
        note={
          answer &&
          (parts.length === 0
            ? 'none is known'
            : `${whole(sum((run) => run.made))} of ${whole(sum((run) => run.parts))} parts made`)
        }
        stale={stale}
      />
      <Fact
        title="Failing metrics"
        definition="failing_metrics"
        text={answer && whole(failing.length)}
        note={
          answer &&
          (failing[0] ? failing.map(({ metric }) => metric).join(', ') : `of ${counted(metrics.length, 'metric')}`)
        }
        tone={failing.length > 0 ? 'bad' : undefined}
        stale={stale}
      />
    </div>
  )
}
