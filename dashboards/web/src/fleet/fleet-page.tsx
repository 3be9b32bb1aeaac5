import { useSignal } from '@preact/signals'
import type { FleetAnswer } from '../../../api.ts'
import { ask } from '../api-client.ts'
import { Figure } from '../figure.tsx'
import { percent, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Empty, Trouble } from '../state-notes.tsx'
import { age, range, zone } from '../time-range.ts'
import './fleet.css'
import { FleetCharts } from './fleet-charts.tsx'
import { FirmwareTable, WorstHubs } from './fleet-tables.tsx'

const EVERY_MS = 15_000
const MINUTE_MS = 60_000

/** Is it bad, where, and what next: figures, charts, the worst hubs, the firmwares. */
export function FleetPage() {
  const { state, retry } = useResource(
    () => {
      const { from_ms, to_ms } = range.value
      return `/api/fleet?from=${Math.floor(from_ms / MINUTE_MS) * MINUTE_MS}&to=${Math.ceil(to_ms / MINUTE_MS) * MINUTE_MS}`
    },
    (address, signal) => ask<FleetAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const { answer } = resource
  const stale = resource.failure !== undefined
  const span = answer ? age(answer.window.to_ms - answer.window.from_ms) : ''
  const before = `the ${span} before`
  const figures = answer?.figures
  const nothing = answer !== undefined && answer.worst.hubs.length === 0 && answer.figures.availability.value === null
  const allHubs = useSignal(false)
  return (
    <>
      <div class="heading">
        <h1>Fleet</h1>
        {answer && !nothing && <Verdict answer={answer} />}
      </div>
      <Trouble what="The fleet's figures" resource={resource} retry={retry} />
      {nothing ? (
        <div class="card">
          <Empty title="No metrics in this window yet">
            No hub has reported in these hours, or the jobs have not got to them. Start hubs with{' '}
            <code>hearth up --demo</code> or <code>hearth hub --help</code>, see what is due with{' '}
            <code>hearth jobs plan</code>, or choose a longer window above.
          </Empty>
        </div>
      ) : (
        <>
          <div class="figures">
            <Figure
              title="Availability"
              definition="availability"
              kind="share"
              good="up"
              figure={figures?.availability}
              window={before}
              stale={stale}
              note={figures ? `${whole(figures.disconnects.value)} unplanned disconnects` : undefined}
            />
            <Figure
              title="Command success"
              definition="success"
              kind="share"
              good="up"
              figure={figures?.success}
              window={before}
              stale={stale}
              note={figures ? `of ${whole(figures.commands.value)} commands` : undefined}
            />
            <Figure
              title="Telemetry loss"
              definition="loss"
              kind="share"
              good="down"
              figure={figures?.loss}
              window={before}
              stale={stale}
              note={figures ? `of ${whole(figures.loss.of)} events` : undefined}
            />
            <Figure
              title="Tap to light p50"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p50}
              window={before}
              stale={stale}
            />
            <Figure
              title="p95"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p95}
              window={before}
              stale={stale}
            />
            <Figure
              title="p99"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p99}
              window={before}
              stale={stale}
            />
          </div>
          <FleetCharts answer={answer} />
          <WorstHubs answer={answer} all={allHubs} />
          <FirmwareTable answer={answer} />
          <p class="soft">
            Metrics are made by the hour: the window is widened to whole hours. The hatched end still runs. Times in{' '}
            {zone.value}.
          </p>
        </>
      )}
    </>
  )
}

/** The ten-second answer, in words made of this page's own numbers. */
function Verdict({ answer }: { readonly answer: FleetAnswer }) {
  const { figures, worst, outcomes } = answer
  const [first] = worst.hubs
  const failures = Object.entries(outcomes).filter(([outcome, count]) => outcome !== 'done' && count > 0)
  const failed = failures.reduce((sum, [, count]) => sum + count, 0)
  const [most] = failures.sort((a, b) => b[1] - a[1])
  return (
    <p class="verdict">
      <b>{whole(figures.hubs.value)} hubs</b> expected.{' '}
      {first && first.availability !== null && first.availability < 1 ? (
        <>
          Worst: <b>{first.hub}</b>, connected {percent(first.availability)} % of the time.{' '}
        </>
      ) : (
        'Every hub was connected all the time. '
      )}
      {failed > 0 && most ? (
        <>
          <b>{whole(failed)} commands</b> did not end well, most of them {most[0]} ({whole(most[1])}).
        </>
      ) : (
        'Every command was done in time.'
      )}
    </p>
  )
}
