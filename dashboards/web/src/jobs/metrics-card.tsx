import type { MetricNow } from '../../../jobs-api.ts'
import { now } from '../browser.ts'
import { Explain } from '../definition.tsx'
import { Tag } from '../icon.tsx'
import { href } from '../location.ts'
import { counted, NOTHING, whole } from '../number-format.ts'
import { SkeletonRows } from '../state-notes.tsx'
import { age, dayTime, utcDay } from '../time-range.ts'
import { dueUnits, freshOf, lateBy } from './standing.ts'
import { timesText } from './times-text.ts'

/** Each metric: how far it reaches, and what is due of it for which causes. */
export function MetricsCard(props: {
  readonly metrics: readonly MetricNow[] | undefined
  readonly chosen: string | undefined
}) {
  return (
    <section class="card" aria-label="Metrics">
      <header>
        <h2>Metrics</h2>
        <span class="unit">in order of calculation; choose one to see its hours and runs</span>
      </header>
      <table class="table plain">
        <thead>
          <tr>
            <th>Metric</th>
            <th>
              Freshness <Explain name="metric_freshness" />
            </th>
            <th class="number more">Complete to</th>
            <th class="number">
              Due <Explain name="due_units" />
            </th>
            <th class="more">Why</th>
            <th class="number more">Computed units</th>
            <th class="number more">Newest</th>
            <th class="number more">Revision</th>
          </tr>
        </thead>
        <tbody>
          {props.metrics?.map((metric) => (
            <Row key={metric.metric} metric={metric} chosen={metric.metric === props.chosen} />
          ))}
          {!props.metrics && <SkeletonRows count={10} columns={8} />}
        </tbody>
      </table>
    </section>
  )
}

function Row({ metric, chosen }: { readonly metric: MetricNow; readonly chosen: boolean }) {
  const { metric: name, unit, computed, newest_ms, complete_to_ms, revision, definition, due, failing } = metric
  const { tone, word } = freshOf(metric, now.value)
  // A day is told by its name: the last whole one, where an hour is told by its end.
  const isDay = unit === 'day'
  const timeText = (time_ms: number | null) => (time_ms === null ? NOTHING : isDay ? utcDay(time_ms) : dayTime(time_ms))
  return (
    <>
      <tr class={`${chosen ? 'chosen' : ''} ${failing ? 'failed' : ''}`}>
        <td>
          <a href={href('/jobs', { metric: name })} aria-current={chosen ? 'true' : undefined}>
            {name}
          </a>{' '}
          <Explain name={`metric_${name}`} />
        </td>
        <td>
          <Tag tone={tone}>{word === 'late' ? `late ${age(lateBy(metric, now.value))}` : word}</Tag>
        </td>
        <td class="number more">
          {unit === 'history' ? 'whole history' : timeText(complete_to_ms && complete_to_ms - (isDay ? 1 : 0))}
        </td>
        <td class="number">{whole(dueUnits(metric))}</td>
        <td class="more why">
          {due.map(({ cause, units, first_ms }) => (
            <div key={cause}>
              {cause}
              {due.length > 1 && `: ${whole(units)}`}
              {first_ms > 0 && <span class="soft"> from {timeText(first_ms)}</span>}
            </div>
          ))}
        </td>
        <td class="number more">
          <a
            href={href('/query', { sql: `SELECT * FROM ${name} LIMIT 100`, run: '1' })}
            title={`Rows of ${name}, of ${counted(computed, 'unit')}`}
          >
            {whole(computed)}
          </a>
        </td>
        <td class="number more">{timeText(newest_ms)}</td>
        <td class="number more" title={`definition ${definition}`}>
          {whole(revision)}
        </td>
      </tr>
      {failing && (
        <tr class="failed told">
          <td colSpan={8}>
            failed {timesText(failing)}: {failing.reason}
          </td>
        </tr>
      )}
    </>
  )
}
