import type { ReadonlySignal } from '@preact/signals'
import type { ExplainAnswer, JobsAnswer, MetricLook } from '../../../jobs-api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { Explain } from '../definition.tsx'
import { Icon, Tag } from '../icon.tsx'
import { parameter, set } from '../location.ts'
import { NOTHING, whole } from '../number-format.ts'
import { type Resource, useResource } from '../resource.ts'
import { SkeletonRows, Trouble } from '../state-notes.tsx'
import { utcDay, utcTime } from '../time-range.ts'
import { hourOf, hourText } from './standing.ts'

const EVERY_MS = 10_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DEFAULT = 'fleet_hours'

type Asked = { readonly metric: string; readonly unit: MetricLook['unit']; readonly hour_ms: number }

/** The metric and the hour of the address; the newest hour that is complete when it names none. */
function askedOf(metrics: readonly MetricLook[] | undefined): Asked {
  const metric = parameter('metric') ?? DEFAULT
  const look = metrics?.find((one) => one.metric === metric)
  const unit = look?.unit ?? 'hour'
  const to_ms = look?.complete_to_ms ?? Math.floor(now.value / HOUR_MS) * HOUR_MS
  return { metric, unit, hour_ms: hourOf(parameter('hour')) ?? to_ms - (unit === 'day' ? DAY_MS : HOUR_MS) }
}

type Standing = { readonly standing: ReadonlySignal<Resource<JobsAnswer>> }

/** From what each bucket of an hour was made, and why it is due if it is. */
export function ExplainHour({ standing }: Standing) {
  // Which hour is the newest is known once the metrics are.
  if (standing.value.answer) return <Hour standing={standing} />
  return (
    <section class="card" aria-label="Explain">
      <header>
        <h2>Explain</h2>
      </header>
      <Buckets answer={undefined} />
    </section>
  )
}

function Hour({ standing }: Standing) {
  const { state, retry } = useResource(
    () => {
      const { metric, hour_ms } = askedOf(standing.value.answer?.metrics)
      return `/api/jobs/${metric}/explain?hour=${hour_ms}`
    },
    (address, signal) => ask<ExplainAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const { answer: told } = standing.value
  const metrics = told?.metrics
  const { metric, unit, hour_ms } = askedOf(metrics)
  const step = (by: -1 | 1) => set({ hour: hourText(hour_ms + by * (unit === 'day' ? DAY_MS : HOUR_MS)) })
  const missing = resource.failure?.kind === 'missing'
  return (
    <section class="card" aria-label="Explain">
      <header>
        <h2>Explain</h2>
        <span class="unit">
          {unit === 'history'
            ? `from what the history of each bucket of ${metric} was made`
            : `from what ${metric} of ${unit === 'day' ? utcDay(hour_ms) : utcTime(hour_ms)} was made, and why it is due if it is`}
        </span>
        <span class="links">
          <Explain name="due_units" />
        </span>
      </header>
      <div class="asked">
        <label class="label">
          Metric
          <select
            class="field"
            value={metric}
            onChange={(event) => set({ metric: event.currentTarget.value })}
            disabled={!metrics}
          >
            {(metrics?.map((one) => one.metric) ?? [metric]).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {unit !== 'history' && (
          <>
            <label class="label">
              {unit === 'day' ? 'Day (UTC)' : 'Hour (UTC)'}
              <input
                class="field"
                pattern="\d{4}-\d\d-\d\d([T ]\d\d)?"
                title="as 2026-11-24T13"
                value={hourText(hour_ms)}
                onChange={(event) =>
                  hourOf(event.currentTarget.value) !== undefined && set({ hour: event.currentTarget.value })
                }
              />
            </label>
            <span>
              <button type="button" class="button quiet" aria-label={`One ${unit} back`} onClick={() => step(-1)}>
                <Icon name="back" />
              </button>
              <button type="button" class="button quiet" aria-label={`One ${unit} forward`} onClick={() => step(1)}>
                <Icon name="forward" />
              </button>
            </span>
          </>
        )}
        {parameter('hour') && unit !== 'history' && (
          <button type="button" class="button" onClick={() => set({ hour: undefined })}>
            Newest complete
          </button>
        )}
      </div>
      {missing ? (
        <p class="foot">There is nothing to explain: {resource.failure?.message}.</p>
      ) : (
        <>
          {standing.value.failure === undefined && <Trouble what="This hour" resource={resource} retry={retry} />}
          <Buckets answer={resource.answer} />
        </>
      )}
    </section>
  )
}

function Buckets({ answer }: { readonly answer: ExplainAnswer | undefined }) {
  const frozen = answer?.buckets.find((bucket) => bucket.frozen)?.frozen
  return (
    <>
      <table class="table cards">
        <thead>
          <tr>
            <th>Bucket</th>
            <th>Due</th>
            <th>Made from, at version</th>
            <th class="number">Revision</th>
            <th>Definition</th>
            <th>Carried in</th>
            <th>Rows’ hash</th>
            <th>When made</th>
          </tr>
        </thead>
        <tbody>
          {answer?.buckets.map(({ bucket, cause, made, frozen: never }) => (
            <tr key={bucket}>
              <td>{bucket === null ? 'all' : `${bucket}`}</td>
              <td data-label="Due">
                <Tag tone={cause ? 'warn' : never ? 'idle' : 'good'}>{cause ?? (never ? 'never again' : 'no')}</Tag>
              </td>
              <td data-label="Made from, at version" class="inputs">
                <span>
                  {made
                    ? Object.entries(made.inputs).map(([table, version]) => (
                        <span key={table} class="input">
                          {table} <b>{whole(version)}</b>
                        </span>
                      ))
                    : 'nothing yet'}
                </span>
              </td>
              <td data-label="Revision" class="number">
                {whole(made?.revision)}
              </td>
              <td data-label="Definition" class="mono">
                {made?.definition ?? NOTHING}
              </td>
              <td data-label="Carried in" class="mono">
                {made?.carry.slice(0, 8) || NOTHING}
              </td>
              <td data-label="Rows’ hash" class="mono">
                {made?.rows.slice(0, 8) ?? NOTHING}
              </td>
              <td data-label="When made">{made ? (made.open ? 'while it ran' : 'after its end') : NOTHING}</td>
            </tr>
          ))}
          {!answer && <SkeletonRows count={4} columns={8} />}
        </tbody>
      </table>
      {frozen && (
        <p class="foot">
          {frozen.table} keeps no rows from before {utcTime(frozen.from_ms)} (retention), so this hour{' '}
          {answer.buckets.some(({ made }) => made) ? 'stays as it was made' : 'is never made'}.
        </p>
      )}
    </>
  )
}
