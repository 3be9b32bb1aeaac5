import { useSignal } from '@preact/signals'
import type { FleetAnswer, FreshnessAnswer } from '../../../api.ts'
import { ask } from '../api-client.ts'
import { Figure } from '../figure.tsx'
import { CatchingUp, freshness, metricsTo } from '../freshness.tsx'
import { counted, percent, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Empty, Trouble } from '../state-notes.tsx'
import { age, clockTime, dayTime, range, zone } from '../time-range.ts'
import { ConnectedNow } from './connected-now.tsx'
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
      // Read so that the figures are asked for anew when jobs have made more hours.
      void metricsTo.value
      return `/api/fleet?from=${Math.floor(from_ms / MINUTE_MS) * MINUTE_MS}&to=${Math.ceil(to_ms / MINUTE_MS) * MINUTE_MS}`
    },
    (address, signal) => ask<FleetAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const nothing = resource.answer?.figures.availability.value === null
  const fresh = freshness.value
  // Whether there is nothing at all, or nothing here, the freshness tells; until it has, numbers are still to come.
  const answer = nothing ? undefined : resource.answer
  const stale = resource.failure !== undefined
  const span = answer ? age(answer.window.to_ms - answer.window.from_ms) : ''
  const before = `the ${span} before`
  const figures = answer?.figures
  const allHubs = useSignal(false)
  return (
    <>
      <div class="heading">
        <h1>Fleet</h1>
        {answer && <Verdict answer={answer} />}
      </div>
      <ConnectedNow />
      <Trouble what="The fleet’s figures" resource={resource} retry={retry} />
      {answer && <CatchingUp />}
      {nothing && fresh ? (
        <div class="card">
          <Nothing fresh={fresh} />
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
              note={figures ? counted(figures.disconnects.value, 'unplanned disconnect') : undefined}
              lost={figures?.loss.value}
            />
            <Figure
              title="Command success"
              definition="success"
              kind="share"
              good="up"
              figure={figures?.success}
              window={before}
              stale={stale}
              note={figures ? `of ${counted(figures.commands.value, 'command')}` : undefined}
              lost={figures?.loss.value}
            />
            <Figure
              title="Telemetry loss"
              definition="loss"
              kind="share"
              good="down"
              figure={figures?.loss}
              window={before}
              stale={stale}
              note={answer ? accountOf(answer) : undefined}
            />
            <Figure
              title="Tap to light p50"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p50}
              window={before}
              stale={stale}
              note={figures ? `of ${counted(figures.p50.of, 'command')}` : undefined}
              lost={figures?.loss.value}
            />
            <Figure
              title="Tap to light p95"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p95}
              window={before}
              stale={stale}
              note={figures ? `of ${counted(figures.p95.of, 'command')}` : undefined}
              lost={figures?.loss.value}
            />
            <Figure
              title="Tap to light p99"
              definition="tap_to_light"
              kind="ms"
              good="down"
              figure={figures?.p99}
              window={before}
              stale={stale}
              note={figures ? `of ${counted(figures.p99.of, 'command')}` : undefined}
              lost={figures?.loss.value}
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

/** Why there are no figures, and what to do. */
function Nothing({ fresh }: { readonly fresh: FreshnessAnswer }) {
  if (fresh.newest_received_ms === null) {
    return (
      <Empty title="No hub has reported yet">
        Start a fleet of simulated homes with <code>hearth up --demo</code>, or connect a hub of your own:{' '}
        <code>hearth hub --help</code>. Figures come within a minute of the first events.
      </Empty>
    )
  }
  if (fresh.metrics_to_ms === null) {
    return (
      <Empty title="The first metrics are being calculated">
        Events are here, to {clockTime(fresh.newest_received_ms)}. A week of them takes about a minute; this page fills
        by itself. Commands and Query show them already, and <code>hearth jobs status</code> tells what is due.
      </Empty>
    )
  }
  return (
    <Empty title="No metrics in this window">
      No hub was expected in these hours, or the jobs have not got to them: metrics reach to{' '}
      {dayTime(fresh.metrics_to_ms)}. Choose another window above, or see what is due with <code>hearth jobs plan</code>
      .
    </Empty>
  )
}

/** What the loss was found over, and what else of the account is not zero. */
function accountOf({ figures, account }: FleetAnswer): string {
  const rest = Object.entries(account).filter(([, events]) => (events ?? 0) > 0)
  return [`of ${counted(figures.loss.of, 'event')}`, ...rest.map(([name, events]) => `${whole(events)} ${name}`)].join(
    ', ',
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
      <b>{counted(figures.hubs.value, 'hub')}</b> expected.{' '}
      {first && first.availability !== null && first.availability < 1 ? (
        <>
          Worst: <b>{first.hub}</b>, connected {percent(first.availability)} % of the time.{' '}
        </>
      ) : (
        'Every hub was connected all the time. '
      )}
      {failed > 0 && most ? (
        <>
          <b>{counted(failed, 'command')}</b> did not end well, most of them {most[0]} ({whole(most[1])}).
        </>
      ) : (
        'Every command was done in time.'
      )}
    </p>
  )
}
