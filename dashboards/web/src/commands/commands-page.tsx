import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { CommandsAnswer, CommandTrace, HubsAnswer } from '../../../api.ts'
import { ask } from '../api-client.ts'
import { Explain, RowsLink } from '../definition.tsx'
import { Icon, Tag } from '../icon.tsx'
import { feed, liveCommands, useLiveFeed } from '../live-feed.ts'
import { parameter, set } from '../location.ts'
import { durationText, whole } from '../number-format.ts'
import { LATE_EVERY_MS, useResource } from '../resource.ts'
import { Empty, Skeleton, Trouble } from '../state-notes.tsx'
import { TextField } from '../text-field.tsx'
import { day, exactTime, range } from '../time-range.ts'
import './commands.css'
import { asked, OUTCOME_NAMES, Outcome } from './outcome.tsx'
import { SendPanel } from './send-panel.tsx'
import { TracePanel } from './trace-panel.tsx'

const EVERY_MS = 10_000
const ROWS_MAX = 200
const MINUTE_MS = 60_000
/** Rows shown at a time where they make the page long; a narrow screen has the story of one far above them, too. */
const NARROW_ROWS = 50
const narrow = window.matchMedia('(width < 1100px)')

/** Commands as they come, those of the window before them, one in full, and a panel to send one. */
export function CommandsPage() {
  useLiveFeed()
  const list = useResource(
    () => {
      const { from_ms, to_ms } = range.value
      const query = new URLSearchParams({
        from: String(Math.floor(from_ms / MINUTE_MS) * MINUTE_MS),
        to: String(Math.ceil(to_ms / MINUTE_MS) * MINUTE_MS),
        limit: String(ROWS_MAX),
      })
      const hub = parameter('hub')
      const outcome = parameter('outcome')
      if (hub) query.set('hub', hub)
      if (outcome) query.set('outcome', outcome)
      return `/api/commands?${query}`
    },
    (address, signal) => ask<CommandsAnswer>(address, { signal }),
    EVERY_MS,
  )
  const hubs = useResource(
    () => '/api/hubs',
    (address, signal) => ask<HubsAnswer>(address, { signal }),
    ({ stored }) => (stored ? EVERY_MS : LATE_EVERY_MS),
  )
  /** What was shown when the tail was paused. */
  const paused = useSignal<readonly CommandTrace[] | undefined>(undefined)
  const story = useRef<HTMLDivElement>(null)
  const choices = useSignal(0)
  useEffect(() => {
    if (choices.value > 0 && narrow.matches) story.current?.scrollIntoView()
  }, [choices.value])
  const choose = (trace: CommandTrace) => {
    set({ command: trace.command, issued: trace.issued_ms === null ? undefined : String(Math.round(trace.issued_ms)) })
    choices.value++
  }
  const { answer } = list.state.value
  const current = paused.value ?? merge(answer?.commands ?? [], [...liveCommands.value.values()])
  const chosen = parameter('command')
  const known =
    current.find((trace) => trace.command === chosen) ?? (chosen ? liveCommands.value.get(chosen) : undefined)
  return (
    <>
      <div class="heading">
        <h1>Commands</h1>
        <p class="soft">From tap to light: newest first, live, with every stage kept.</p>
      </div>
      <Trouble what="The list of commands" resource={list.state.value} retry={list.retry} />
      <div class="commands">
        <div class="side">
          <SendPanel hubs={hubs.state.value.answer} />
          {chosen && (
            <div class="story" ref={story}>
              <TracePanel known={known} />
            </div>
          )}
        </div>
        <section class="card list" aria-label="Commands">
          <div class="filters">
            <TextField
              type="search"
              list="filter-hubs"
              placeholder="Hub, as demo-01"
              aria-label="Hub"
              data-search
              value={parameter('hub') ?? ''}
              onChange={(event) => set({ hub: event.currentTarget.value.trim() })}
            />
            <datalist id="filter-hubs">
              {hubs.state.value.answer?.hubs.map((hub) => (
                <option key={hub.hub} value={hub.hub} />
              ))}
            </datalist>
            <span class="end">
              <FeedState paused={paused.value !== undefined} />
              <button
                type="button"
                class="button"
                aria-pressed={paused.value !== undefined}
                onClick={() => (paused.value = paused.value ? undefined : current)}
              >
                <Icon name={paused.value ? 'play' : 'pause'} size={12} />
                {paused.value ? 'Resume' : 'Pause'}
              </button>
              {answer?.sql && <RowsLink sql={answer.sql} label="commands" />}
            </span>
          </div>
          <Outcomes counts={answer?.counts} />
          <Tail traces={current} loading={!answer} chosen={chosen} choose={choose} />
        </section>
      </div>
    </>
  )
}

function FeedState({ paused }: { readonly paused: boolean }) {
  if (paused) return <Tag tone="idle">paused</Tag>
  if (feed.value === 'open') return <Tag tone="good">live</Tag>
  if (feed.value === 'opening') return <Tag tone="idle">connecting</Tag>
  return <Tag tone="bad">{feed.value === 'gone' ? 'server gone' : 'relay gone'}</Tag>
}

/** How many ended how, in the window; each is a filter. */
function Outcomes({ counts }: { readonly counts: Readonly<Record<string, number>> | undefined }) {
  const chosen = parameter('outcome')
  const total = counts ? Object.values(counts).reduce((sum, count) => sum + count, 0) : undefined
  return (
    <div class="outcomes">
      <button
        type="button"
        class="button quiet"
        aria-pressed={chosen === undefined}
        onClick={() => set({ outcome: undefined })}
      >
        all <b>{total === undefined ? '–' : whole(total)}</b>
      </button>
      {OUTCOME_NAMES.map((outcome) => (
        <button
          key={outcome}
          type="button"
          class="button quiet"
          aria-pressed={chosen === outcome}
          onClick={() => set({ outcome: chosen === outcome ? undefined : outcome })}
        >
          {outcome} <b>{counts ? whole(counts[outcome] ?? 0) : '–'}</b>
        </button>
      ))}
      <Explain name="outcome" />
    </div>
  )
}

function Tail({
  traces,
  loading,
  chosen,
  choose,
}: {
  readonly traces: readonly CommandTrace[]
  readonly loading: boolean
  readonly chosen: string | undefined
  choose(trace: CommandTrace): void
}) {
  const shown = useSignal(NARROW_ROWS)
  if (!loading && traces.length === 0) {
    return (
      <Empty title="No commands here">
        None was issued in this window{parameter('hub') || parameter('outcome') ? ' that fits the filters' : ''}. Send
        one with the panel on this page, or with <code>hearth send demo-01 kitchen-lamp powered=1</code>.
      </Empty>
    )
  }
  return (
    <div class="tail" tabIndex={0} role="region" aria-label="List of commands">
      <table class="table cards">
        <thead>
          <tr>
            <th>Issued</th>
            <th>Hub</th>
            <th>Device</th>
            <th>Asked</th>
            <th>Outcome</th>
            <th class="number">
              Round trip <Explain name="round_trip" />
            </th>
          </tr>
        </thead>
        <tbody>
          {traces.map((trace, index) => (
            <tr
              key={trace.command}
              class={index < shown.value ? '' : 'further'}
              aria-selected={trace.command === chosen}
              onClick={() => choose(trace)}
            >
              <td data-label="Issued">
                <button type="button" class="rows-link open" aria-label={`Open the command of ${trace.hub}`}>
                  {trace.issued_ms === null ? '–' : `${day(trace.issued_ms)}, ${exactTime(trace.issued_ms)}`}
                </button>
              </td>
              <td data-label="Hub">{trace.hub}</td>
              <td data-label="Device">{trace.device ?? '–'}</td>
              <td data-label="Asked" class="mono">
                {asked(trace.set)}
              </td>
              <td data-label="Outcome">
                <Outcome outcome={trace.outcome} />
              </td>
              <td data-label="Round trip" class="number">
                {durationText(trace.round_trip_ms)}
              </td>
            </tr>
          ))}
          {loading &&
            traces.length === 0 &&
            Array.from({ length: 12 }, (_, index) => (
              <tr key={index}>
                <td colSpan={6}>
                  <Skeleton width={`${92 - ((index * 11) % 30)}%`} />
                </td>
              </tr>
            ))}
        </tbody>
      </table>
      {traces.length > shown.value && (
        <button type="button" class="button quiet more" onClick={() => (shown.value += NARROW_ROWS)}>
          Show more
        </button>
      )}
    </div>
  )
}

/** Those of the table and those that came live, newest first; what the relay says of a running one is newer. */
function merge(stored: readonly CommandTrace[], live: readonly CommandTrace[]): readonly CommandTrace[] {
  const { from_ms, to_ms, preset } = range.value
  const hub = parameter('hub')
  const outcome = parameter('outcome')
  const all = new Map(stored.map((trace) => [trace.command, trace]))
  for (const trace of live) {
    const issued = trace.issued_ms ?? 0
    if (issued < from_ms || (preset === undefined && issued >= to_ms)) continue
    if ((hub && trace.hub !== hub) || (outcome && trace.outcome !== outcome)) continue
    const other = all.get(trace.command)
    if (!other || other.outcome === null) all.set(trace.command, trace)
  }
  return [...all.values()].sort((a, b) => (b.issued_ms ?? 0) - (a.issued_ms ?? 0)).slice(0, ROWS_MAX)
}
