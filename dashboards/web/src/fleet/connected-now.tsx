import type { HubsAnswer } from '../../../api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { href } from '../location.ts'
import { counted, whole } from '../number-format.ts'
import { LATE_EVERY_MS, useResource } from '../resource.ts'
import { Skeleton } from '../state-notes.tsx'
import { dayTime, minuteTime } from '../time-range.ts'

const EVERY_MS = 10_000
const DAY_MS = 86_400_000
const OFF_SHOWN = 3

/** How many hubs have a live connection at this moment, whatever the window, and which have not. */
export function ConnectedNow() {
  const { state } = useResource(
    () => '/api/hubs',
    (address, signal) => ask<HubsAnswer>(address, { signal }),
    // Since when a hub is off the lake knows, which may be late.
    ({ stored }) => (stored ? EVERY_MS : LATE_EVERY_MS),
  )
  const { answer, failure } = state.value
  return (
    <p class="verdict" role="status" aria-label="Connected now">
      {failure ? 'Not known who is connected now.' : answer ? <Line answer={answer} /> : <Skeleton width="320px" />}
    </p>
  )
}

function Line({ answer: { hubs, relay } }: { readonly answer: HubsAnswer }) {
  if (relay === 'down') return <>Not known who is connected now: no relay answers.</>
  const off = hubs
    .filter(({ connected }) => !connected)
    .sort((a, b) => (b.disconnected_ms ?? 0) - (a.disconnected_ms ?? 0))
  const since = (time_ms: number) => (now.value - time_ms < DAY_MS ? minuteTime(time_ms) : dayTime(time_ms))
  return (
    <>
      <b>
        {whole(hubs.length - off.length)} of {counted(hubs.length, 'hub')}
      </b>{' '}
      connected now
      {off.slice(0, OFF_SHOWN).map(({ hub, disconnected_ms }, index) => (
        <span key={hub}>
          {index === 0 ? '; off: ' : ', '}
          <a href={href('/commands', { hub })}>{hub}</a>
          {disconnected_ms !== null && ` since ${since(disconnected_ms)}`}
        </span>
      ))}
      {off.length > OFF_SHOWN && `, … (${whole(off.length - OFF_SHOWN)} more)`}
    </>
  )
}
