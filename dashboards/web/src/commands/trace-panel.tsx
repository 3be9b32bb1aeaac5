import type { AroundAnswer, CommandTrace, TraceAnswer } from '../../../api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { Explain, RowsLink } from '../definition.tsx'
import { Icon } from '../icon.tsx'
import { parameter, set } from '../location.ts'
import { counted, durationText, significant, tick } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Skeleton, Trouble, Words } from '../state-notes.tsx'
import { dayTime, exactTime, minuteTime } from '../time-range.ts'
import { asked, Outcome } from './outcome.tsx'
import { outcomeSentence } from './outcome-sentence.ts'
import { barsOf, ticksOf } from './waterfall.ts'

const WHILE_RUNNING_MS = 1_000
const READINGS_SHOWN = 6

/** One command: how it ended in words, its waterfall, and what the hub was doing around it. */
export function TracePanel({ known }: { readonly known: CommandTrace | undefined }) {
  const { state, retry } = useResource(
    () => {
      const issued = parameter('issued')
      return `/api/commands/${parameter('command') ?? ''}${issued === undefined ? '' : `?issued=${issued}`}`
    },
    (address, signal) => ask<TraceAnswer>(address, { signal }),
    WHILE_RUNNING_MS * 10,
  )
  const id = parameter('command')
  const answer = state.value.answer?.trace.command === id ? state.value.answer : undefined
  // What the list knows is shown at once; the full story replaces it when it has more of it.
  const trace = answer && (!known || answer.trace.stages.length >= known.stages.length) ? answer.trace : known
  return (
    <section class="card trace" aria-label="Command">
      <header>
        <h2>Command</h2>
        <code class="soft">{id?.slice(0, 8)}</code>
        <span class="links">
          {answer && <RowsLink sql={answer.sql} label="this command" />}
          <button
            type="button"
            class="rows-link"
            aria-label="Close"
            onClick={() => set({ command: undefined, issued: undefined })}
          >
            <Icon name="close" size={12} />
          </button>
        </span>
      </header>
      {!trace && state.value.failure && (
        <div style={{ padding: '0 16px 16px' }}>
          <Trouble what="The command" resource={state.value} retry={retry} />
        </div>
      )}
      {!trace && !state.value.failure && (
        <div style={{ padding: '0 16px 16px', height: '220px' }}>
          <Skeleton width="80%" />
        </div>
      )}
      {trace && (
        <>
          <p class="sentence">
            <Outcome outcome={trace.outcome} />
            <span>{outcomeSentence(trace)}</span>
          </p>
          <Waterfall trace={trace} />
          <dl class="facts">
            <dt>Hub, device</dt>
            <dd>
              {trace.hub}, {trace.device ?? '–'}
            </dd>
            <dt>Asked</dt>
            <dd>{asked(trace.set) || '–'}</dd>
            {trace.app && (
              <>
                <dt>By</dt>
                <dd>{trace.app}</dd>
              </>
            )}
            <dt>Issued</dt>
            <dd>
              {trace.issued_ms === null
                ? '–'
                : `${dayTime(trace.issued_ms).split(',')[0]}, ${exactTime(trace.issued_ms)}`}
            </dd>
            <dt>Deadline</dt>
            <dd>{durationText(trace.deadline_ms)}</dd>
            <dt>
              Round trip <Explain name="round_trip" />
            </dt>
            <dd>{trace.round_trip_ms === null ? 'none' : `${durationText(trace.round_trip_ms)}, relay's clock`}</dd>
          </dl>
          {trace.device && trace.issued_ms !== null && (
            <Around key={trace.command} hub={trace.hub} device={trace.device} at={trace.issued_ms} />
          )}
        </>
      )}
    </section>
  )
}

function Waterfall({ trace }: { readonly trace: CommandTrace }) {
  const bars = barsOf(trace)
  const last = Math.max(0.5, ...bars.map((bar) => bar.to_ms))
  const overdue = trace.deadline_ms !== null && last > trace.deadline_ms
  const end = last * 1.04
  const place = (ms: number) => `${(ms / end) * 100}%`
  return (
    <div
      class="waterfall"
      role="img"
      aria-label={bars.map((bar) => `${bar.name} ${durationText(bar.to_ms - bar.from_ms)}`).join('; ')}
    >
      {bars.map((bar) => (
        <div class="bar-row" key={bar.name}>
          <span class="who" title={bar.clock}>
            {bar.name}
            <small>{bar.estimate ? 'estimate' : bar.clock}</small>
          </span>
          <span class="lane">
            <span
              class={`piece ${bar.tone} ${bar.estimate ? 'estimate' : ''}`}
              style={{ left: place(bar.from_ms), width: place(bar.to_ms - bar.from_ms) }}
            />
            {overdue && <span class="deadline" style={{ left: place(trace.deadline_ms ?? 0) }} title="deadline" />}
          </span>
          <span class="ms">
            {bar.estimate ? '≈ ' : ''}
            {durationText(bar.to_ms - bar.from_ms)}
          </span>
        </div>
      ))}
      <div class="axis">
        {ticksOf(end).map((at) => (
          <span key={at} style={{ left: place(at) }}>
            {at === 0 ? '0 ms' : tick(at)}
          </span>
        ))}
      </div>
      {overdue && <p class="soft">Dashed: the deadline, {durationText(trace.deadline_ms)} after the issue.</p>}
    </div>
  )
}

/** The hub's connection three hours each way, and the device's readings around the command. */
function Around({ hub, device, at }: { readonly hub: string; readonly device: string; readonly at: number }) {
  const { state } = useResource(
    () => `/api/around?hub=${encodeURIComponent(hub)}&device=${encodeURIComponent(device)}&at=${Math.round(at)}`,
    (address, signal) => ask<AroundAnswer>(address, { signal }),
  )
  const answer = state.value.answer
  if (!answer) {
    return (
      <div class="around" style={{ minHeight: '150px' }}>
        {state.value.failure ? (
          <span class="soft">
            What was around it could not be read: <Words text={state.value.failure.message} />
          </span>
        ) : (
          <Skeleton width="100%" />
        )}
      </div>
    )
  }
  const { from_ms, to_ms, connections } = answer
  const place = (time_ms: number) =>
    `${((Math.min(Math.max(time_ms, from_ms), to_ms) - from_ms) / (to_ms - from_ms)) * 100}%`
  const spans = connectionSpans(answer)
  const cuts = connections.filter(({ stage, time_ms }) => stage === 'disconnected' && time_ms >= from_ms)
  const readings = [...answer.readings]
    .sort((a, b) => Math.abs(a.time_ms - at) - Math.abs(b.time_ms - at))
    .slice(0, READINGS_SHOWN)
    .sort((a, b) => a.time_ms - b.time_ms)
  return (
    <div class="around">
      <h2>Around it</h2>
      <span class="soft">
        Connection of {hub}:{' '}
        {connections.length === 0
          ? 'nothing on record'
          : cuts.length === 0
            ? 'no disconnect'
            : counted(cuts.length, 'disconnect')}
      </span>
      {spans.length > 0 && (
        <>
          <div
            class="strip"
            role="img"
            aria-label="Plain where connected, striped where not, grey where not known; the mark is the command"
          >
            {spans.map((span) => (
              <i
                key={span.from}
                class={span.up ? '' : 'down'}
                style={{ left: place(span.from), right: `calc(100% - ${place(span.to)})` }}
              />
            ))}
            <b style={{ left: place(at) }} />
          </div>
          <div class="ends">
            <span>{minuteTime(from_ms)}</span>
            <span>striped: not connected, grey: not known</span>
            <span>{minuteTime(to_ms)}</span>
          </div>
        </>
      )}
      {readings.length > 0 && (
        <div class="readings">
          {readings.map((reading) => (
            <>
              <span class="soft">{exactTime(reading.time_ms)}</span>
              <span>{reading.attribute ?? '–'}</span>
              <span>
                {reading.value === null ? (reading.text ?? '–') : significant(reading.value)} {reading.unit ?? ''}
              </span>
            </>
          ))}
        </div>
      )}
      {readings.length === 0 && <span class="soft">No readings of {device} within ten minutes.</span>}
    </div>
  )
}

/** What is known of the connection from the events, up to now: spans of up and down. */
function connectionSpans(
  answer: AroundAnswer,
): readonly { readonly from: number; readonly to: number; readonly up: boolean }[] {
  const known_to = Math.min(answer.to_ms, now.value)
  return answer.connections
    .map(({ stage, time_ms }, index) => ({
      from: Math.max(time_ms, answer.from_ms),
      to: Math.min(answer.connections[index + 1]?.time_ms ?? known_to, known_to),
      up: stage === 'connected',
    }))
    .filter(({ from, to }) => from < to)
}
