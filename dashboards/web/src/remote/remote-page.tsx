import { useEffect } from 'preact/hooks'
import type { HubsAnswer } from '../../../api.ts'
import { ask, signedOut } from '../api-client.ts'
import { now, remember, remembered } from '../browser.ts'
import { Shape, Tag } from '../icon.tsx'
import { parameter, set } from '../location.ts'
import { useResource } from '../resource.ts'
import { Empty, Skeleton, Trouble } from '../state-notes.tsx'
import { TextField } from '../text-field.tsx'
import { age } from '../time-range.ts'
import { kindOf, nameOf, type States, stateText } from './device-kind.ts'
import './remote.css'
import { TapStory } from './tap-story.tsx'
import { Tile } from './tile.tsx'
import { type Remote, useRemote } from './use-remote.ts'

const HUBS_EVERY_MS = 30_000
/** More hubs than a person scrolls through are typed. */
const LISTED_MAX = 100
const ORDER = ['lamp', 'plug', 'lock', 'thermostat', 'sensor']

/** A remote control of one home: tap, and see what became of it and how long it took. */
export function RemotePage() {
  const hubs = useResource(
    () => '/api/hubs',
    (address, signal) => ask<HubsAnswer>(address, { signal }),
    HUBS_EVERY_MS,
  )
  const known = hubs.state.value.answer?.hubs
  const wanted = parameter('hub') ?? remembered('remote-hub')
  const first = known?.find(({ connected }) => connected) ?? known?.[0]
  // The one of last time is there before the list is.
  const remembers = known === undefined || known.some((one) => one.hub === wanted)
  const hub = parameter('hub') ?? (remembers ? wanted : first?.hub) ?? ''
  useEffect(() => {
    if (hub !== '' && known) remember('remote-hub', hub)
  }, [hub, known])
  return (
    <div class="remote">
      <div class="heading">
        <h1>Remote</h1>
        <Choice known={known ?? []} hub={hub} />
      </div>
      {signedOut.value ? (
        <AccessEnded />
      ) : (
        <Trouble what="The list of hubs" resource={hubs.state.value} retry={hubs.retry} />
      )}
      {known?.length === 0 ? (
        <Empty title="No hub yet">
          This fleet has no hub: <code>hearth hub --help</code> says how one joins.
        </Empty>
      ) : hub === '' ? (
        <Waiting />
      ) : (
        <Home hub={hub} />
      )}
    </div>
  )
}

/** Said once, for all that fails by it; what was shown stays. */
function AccessEnded() {
  return (
    <p class="banner bad" role="alert">
      <Shape tone="bad" />
      <span>
        {remembered('remote-hub')
          ? 'Your access has ended; ask whoever gave you the link for a new one.'
          : 'This browser has no access yet: open the link that you were given.'}
      </span>
    </p>
  )
}

function Choice({ known, hub }: { readonly known: HubsAnswer['hubs']; readonly hub: string }) {
  const choose = (name: string) => set({ hub: name })
  if (known.length > LISTED_MAX)
    return (
      <label class="choice">
        <span class="hidden-words">Hub</span>
        <TextField list="remote-hubs" value={hub} onChange={(event) => choose(event.currentTarget.value)} />
        <datalist id="remote-hubs">
          {known.map((one) => (
            <option key={one.hub} value={one.hub} />
          ))}
        </datalist>
      </label>
    )
  return (
    <label class="choice">
      <span class="hidden-words">Hub</span>
      <select class="field" value={hub} onChange={(event) => choose(event.currentTarget.value)}>
        {!known.some((one) => one.hub === hub) && <option value={hub}>{hub}</option>}
        {known.map((one) => (
          <option key={one.hub} value={one.hub}>
            {one.hub}
            {one.connected === false ? ' · offline' : ''}
          </option>
        ))}
      </select>
    </label>
  )
}

function Home({ hub }: { readonly hub: string }) {
  const remote = useRemote(hub)
  const { devices, resource } = remote
  const sorted = [...devices]
    .map(([device, states]) => ({ device, states, kind: kindOf(device, states) }))
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
  const told = sorted.filter(({ kind }) => kind !== 'sensor')
  const sensors = sorted.filter(({ kind }) => kind === 'sensor')
  const loading = resource.answer === undefined && !resource.failure
  return (
    <>
      {!signedOut.value && (
        <>
          <Standing hub={hub} remote={remote} />
          <Trouble what={`What is in ${hub}`} resource={resource} retry={remote.retry} />
        </>
      )}
      <div class="home">
        <div class={`tiles ${remote.online === false ? 'offline' : ''}`}>
          {loading ? (
            <TilesToCome />
          ) : (
            told.map(({ device, kind, states }) => (
              <Tile
                key={`${hub}/${device}`}
                {...{ device, kind, states, tap: remote.taps.get(device), queued: remote.queued.get(device) }}
                send={remote.tap}
              />
            ))
          )}
          {resource.answer && told.length === 0 && !signedOut.value && (
            <Empty title="Nothing to tap">
              {resource.answer.stored
                ? `No device of ${hub} that can be switched has reported since yesterday. It appears here when it does.`
                : 'What reported before cannot be read now; it is tried again. A device appears here as soon as it speaks.'}
            </Empty>
          )}
        </div>
        <div class="aside">
          <TapStory tap={remote.last} />
          {sensors.length > 0 && <Sensors sensors={sensors} />}
        </div>
      </div>
    </>
  )
}

function TilesToCome() {
  return (
    <>
      {Array.from({ length: 4 }, (_, index) => (
        <Skeleton key={index} width="100%" height={148} />
      ))}
    </>
  )
}

/** Which hub it is about is not known yet. */
function Waiting() {
  return (
    <div class="home">
      <div class="tiles">
        <TilesToCome />
      </div>
    </div>
  )
}

/** Whether taps can reach the home now, in words; a banner only where something is wrong. */
function Standing({ hub, remote }: { readonly hub: string; readonly remote: Remote }) {
  const { connection, away, online, resource } = remote
  return (
    <div class="standing" role="status">
      {away ? (
        <p class="banner">
          <Shape tone="warn" />
          <span>Reconnecting: no way to the relay now. A tap waits up to 5 s for it.</span>
        </p>
      ) : connection.state === 'http' ? (
        <p class="banner">
          <Shape tone="warn" />
          <span>
            Taps go, but changes made elsewhere do not show by themselves: no live connection can be had here.
          </span>
        </p>
      ) : online === false ? (
        <p class="banner bad">
          <Shape tone="bad" />
          <span>{hub} is not connected: what stands here is what it said last, and nothing can be switched.</span>
        </p>
      ) : (
        <p class="well">
          {connection.state === 'open' && online ? <Tag tone="good">connected</Tag> : <Tag tone="idle">connecting</Tag>}
          {resource.answer && <span class="soft">{resource.answer.home}</span>}
          {resource.answer?.stored === false && <span class="soft">older states cannot be read now</span>}
        </p>
      )}
    </div>
  )
}

function Sensors({ sensors }: { readonly sensors: readonly { readonly device: string; readonly states: States }[] }) {
  return (
    <section class="card sensors" aria-label="Sensors">
      <header>
        <h2>Sensors</h2>
      </header>
      <ul>
        {sensors.map(({ device, states }) => {
          const newest_ms = Math.max(...[...states.values()].map(({ time_ms }) => time_ms ?? 0))
          return (
            <li key={device}>
              <span>{nameOf(device)}</span>
              <b>{[...states].map(([attribute, state]) => stateText(attribute, state)).join(' · ')}</b>
              <span class="soft">{age(Math.max(0, now.value - newest_ms))} ago</span>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
