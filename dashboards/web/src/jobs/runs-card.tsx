import { useSignal } from '@preact/signals'
import type { JobsAnswer, RunLook } from '../../../jobs-api.ts'
import { now } from '../browser.ts'
import { Explain, RowsLink } from '../definition.tsx'
import { Tag } from '../icon.tsx'
import { href, parameter, set } from '../location.ts'
import { counted, durationText, NOTHING, whole } from '../number-format.ts'
import { SkeletonRows } from '../state-notes.tsx'
import { clockTime, dayTime, utcDay } from '../time-range.ts'
import { type FoldedRun, foldRuns, hourText } from './standing.ts'
import { timesText } from './times-text.ts'

const DAY_MS = 86_400_000
const FEW = 12

/** What runs of the window did, the newest first; one that failed says why, and each try that failed. */
export function RunsCard({
  runs,
  metrics = [],
}: {
  readonly runs?: JobsAnswer['runs']
  readonly metrics?: JobsAnswer['metrics']
}) {
  const daily = new Set(metrics.filter(({ unit }) => unit === 'day').map((one) => one.metric))
  const all = useSignal(false)
  const metric = parameter('metric')
  const failed = parameter('failed') === '1'
  const folded = foldRuns(runs?.rows ?? [])
  return (
    <section class="card" aria-label="Runs">
      <header>
        <h2>Runs</h2>
        <span class="unit">{metric ? `of ${metric}, ` : ''}that began in this window, newest first</span>
        <span class="links">
          {metric && (
            <button type="button" class="button quiet" onClick={() => set({ metric: undefined, hour: undefined })}>
              All metrics
            </button>
          )}
          <button
            type="button"
            class="button quiet"
            aria-pressed={failed}
            onClick={() => set({ failed: failed ? undefined : '1' })}
          >
            Failed only
          </button>
          <Explain name="job_runs" />
          {runs?.sql && <RowsLink sql={runs.sql} label="runs" />}
        </span>
      </header>
      {runs?.rows.length === 0 ? (
        <p class="foot">
          {runs.sql === null
            ? 'None yet: nothing was calculated so far.'
            : failed && runs.total > 0
              ? 'None that failed.'
              : 'None in this window: a run that has nothing to do leaves no row.'}
        </p>
      ) : (
        <table class="table cards">
          <thead>
            <tr>
              <th>Began</th>
              <th>Metric</th>
              <th>Outcome</th>
              <th class="number">Units</th>
              <th>Hours</th>
              <th class="number">Rows</th>
              <th class="number">Took</th>
              <th>Calculated by</th>
              <th>Cause</th>
            </tr>
          </thead>
          <tbody>
            {folded.slice(0, all.value ? undefined : FEW).map((run) => (
              <Run key={`${run.run_id} ${run.metric}`} run={run} isDaily={daily.has(run.metric)} />
            ))}
            {!runs && <SkeletonRows count={8} columns={9} />}
          </tbody>
        </table>
      )}
      {folded.length > FEW && (
        <div class="foot">
          <button type="button" class="button quiet" onClick={() => (all.value = !all.value)}>
            {`Show the newest ${all.value ? FEW : folded.length}`}
          </button>
        </div>
      )}
    </section>
  )
}

function Run({ run, isDaily }: { readonly run: FoldedRun; readonly isDaily: boolean }) {
  const { started_ms, metric, outcome, units, rows, ms, cause, reason, failures, times, since_ms } = run
  const bad = outcome === 'failed'
  const tries = failures === null ? [] : failures.split('\n')
  return (
    <>
      <tr class={bad ? 'failed' : ''}>
        <td>{now.value - started_ms < DAY_MS ? clockTime(started_ms) : dayTime(started_ms)}</td>
        <td data-label="Metric">
          <a href={href('/jobs', { metric })}>{metric}</a>
        </td>
        <td data-label="Outcome">
          <Tag tone={bad ? 'bad' : 'good'}>{outcome}</Tag>
        </td>
        <td data-label="Units" class="number">
          {whole(units)}
        </td>
        <td data-label="Hours">
          <Hours run={run} isDaily={isDaily} />
        </td>
        <td data-label="Rows" class="number">
          {whole(rows)}
        </td>
        <td data-label="Took" class="number">
          {bad && ms === 0 ? NOTHING : durationText(ms)}
        </td>
        <td data-label="Calculated by">{byText(run)}</td>
        <td data-label="Cause">{cause || NOTHING}</td>
      </tr>
      {(reason !== null || tries.length > 0) && (
        <tr class={bad ? 'failed told' : 'told'}>
          <td colSpan={9}>
            {times > 1 && <b>{timesText({ times, since_ms, last_ms: started_ms })}: </b>}
            {reason}
            {tries.length > 0 && (
              <details>
                <summary>{counted(tries.length, 'try', 'tries')} failed</summary>
                <ul>
                  {tries.map((line, index) => (
                    <li key={index}>{line}</li>
                  ))}
                </ul>
              </details>
            )}
          </td>
        </tr>
      )}
    </>
  )
}

function Hours({ run, isDaily }: { readonly run: RunLook; readonly isDaily: boolean }) {
  const { metric, first_ms, last_ms, units } = run
  if (last_ms === null) return <>{units > 0 ? 'whole history' : NOTHING}</>
  const link = (time_ms: number) => (
    <a href={href('/jobs', { metric, hour: hourText(time_ms) })} title="Explain it">
      {isDaily ? utcDay(time_ms) : dayTime(time_ms)}
    </a>
  )
  if (first_ms === null || first_ms === last_ms) return link(last_ms)
  return (
    <span>
      {link(first_ms)} to {link(last_ms)}
    </span>
  )
}

function byText({ runner, parts, attempts }: RunLook): string {
  if (runner === null) return NOTHING
  if (runner === 'process') return 'the jobs’ process'
  return `${runner}: ${counted(parts, 'part')}, ${counted(attempts, 'try', 'tries')}`
}
