import { signal, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import {
  type CommandReport,
  type ConnectionState,
  connect,
  type HearthClient,
  type HearthEvent,
  Problem,
} from '../../../../client/client.ts'
import type { HubDevicesAnswer } from '../../../api.ts'
import { ask, signedOut } from '../api-client.ts'
import { browserClock, buzz } from '../browser.ts'
import { LATE_EVERY_MS, type Resource, useResource } from '../resource.ts'
import type { States } from './device-kind.ts'
import { knownStates } from './known-states.ts'
import { heard, type Presence } from './presence.ts'
import { joined, type Queued, queue, type Tap, type Wish } from './tap.ts'

const DEADLINE_MS = 5_000
const EVERY_MS = 30_000
/** What a wish that waited has at least, ms. */
const LEFT_LEAST_MS = 1_000

export type Remote = {
  /** By device, by name. */
  readonly devices: ReadonlyMap<string, States>
  readonly taps: ReadonlyMap<string, Tap>
  /** What was touched while one of the device is under way, by device. */
  readonly queued: ReadonlyMap<string, Queued>
  /** The last of any device. */
  readonly last: Tap | undefined
  readonly connection: ConnectionState
  /** It was lost, or could not be had, and is tried again. */
  readonly away: boolean
  /** Is the hub connected? Undefined while nobody knows. */
  readonly online: boolean | undefined
  readonly resource: Resource<HubDevicesAnswer>
  retry(): void
  /** Sends it; while one of the device is under way, it waits for it: of each attribute the newest wish is sent then. */
  tap(device: string, set: Tap['set'], wish: string): void
}

/** One hub under the thumb: its devices as they were told and as they change, and what became of each touch. */
export function useRemote(hub: string): Remote {
  const live = useSignal<ReadonlyMap<string, States>>(new Map())
  const taps = useSignal<ReadonlyMap<string, Tap>>(new Map())
  const queued = useSignal<ReadonlyMap<string, Queued>>(new Map())
  const last = useSignal<Tap | undefined>(undefined)
  const connection = useSignal<ConnectionState>({ state: 'connecting' })
  const away = useSignal(false)
  const online = useSignal<boolean | undefined>(undefined)
  const place = useMemo(() => signal(''), [])
  const rounds = useSignal(0)
  place.value = hub
  const hand = useMemo(
    () => ({
      client: undefined as HearthClient | undefined,
      presence: undefined as Presence | undefined,
      /** The last answer of the tables: it stays while they are away. */
      stored: undefined as HubDevicesAnswer | undefined,
    }),
    [],
  )
  const { state, retry } = useResource(
    // What was missed while the connection was away is read anew.
    () => `/api/hubs/${encodeURIComponent(place.value)}/devices#${rounds.value}`,
    async (address, signal) => {
      const { presence } = hand
      const answer = await ask<HubDevicesAnswer>(address.replace(/#.*/, ''), { signal })
      // What was heard meanwhile is newer than this.
      if (hand.presence === presence) online.value = answer.connected ?? undefined
      if (answer.stored) hand.stored = answer
      return answer
    },
    ({ stored }) => (stored ? EVERY_MS : LATE_EVERY_MS),
  )

  const told = (device: string, set: Tap['set'], time_ms: number) => {
    const states = new Map(live.value.get(device))
    for (const [attribute, value] of Object.entries(set)) {
      states.set(attribute, { value, unit: null, time_ms })
    }
    live.value = new Map(live.value).set(device, states)
  }
  const keep = (tap: Tap) => {
    taps.value = new Map(taps.value).set(tap.device, tap)
    last.value = tap
  }
  const hear = (event: HearthEvent) => {
    if (event.type === 'state') told(event.device, event.set, event.at)
    else if (event.type === 'connection') {
      hand.presence = heard(hand.presence, event)
      online.value = hand.presence.online
    } else if (event.type === 'gap') rounds.value++
    else if (event.type === 'outcome' && event.report.outcome === 'late') {
      // It was given up, and happened after all.
      const tap = taps.value.get(event.report.device)
      if (!tap?.end || !('report' in tap.end) || tap.end.report.command !== event.report.command) return
      told(tap.device, tap.set, endOf(event.report))
      keep({ ...tap, end: { ...tap.end, report: { ...event.report, outcome: 'late' } } })
    }
  }

  useEffect(() => {
    live.value = new Map()
    taps.value = new Map()
    last.value = undefined
    online.value = undefined
    queued.value = new Map()
    hand.presence = undefined
    const client = connect({ url: window.location.origin })
    hand.client = client
    client.onConnection((now) => {
      connection.value = now
      if (now.state !== 'connecting') away.value = now.state === 'waiting' || now.state === 'refused'
      if (now.state === 'refused') signedOut.value = true
    })
    if (hub !== '') client.subscribe({ hub }, hear)
    return () => client.close()
  }, [hub])

  const wait = (device: string, wishes: Queued | undefined) => {
    const all = new Map(queued.value)
    if (wishes) all.set(device, wishes)
    else all.delete(device)
    queued.value = all
  }
  /** Within what is left of the time since the touch. What waits for one that did not happen does not go: its end is what is shown. */
  const send = async (device: string, { set, wish }: Wish, since_ms: number) => {
    const { client } = hand
    if (!client) return
    const begun: Tap = { device, set, wish, since_ms }
    keep(begun)
    try {
      const report = await client.send(
        { hub, device, set },
        { deadline_ms: Math.max(LEFT_LEAST_MS, DEADLINE_MS - (browserClock.monotonic() - since_ms)) },
      )
      if (client !== hand.client) return
      const isDone = report.outcome === 'done' || report.outcome === 'late'
      if (isDone) told(device, set, endOf(report))
      else wait(device, undefined)
      keep({ ...begun, end: { report, ms: browserClock.monotonic() - since_ms } })
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem('internal', String(error), { outcome: 'unknown' })
      if (client !== hand.client) return
      wait(device, undefined)
      keep({ ...begun, end: { problem, ms: browserClock.monotonic() - since_ms } })
    }
    const next = queued.value.get(device)
    if (!next) return
    wait(device, undefined)
    void send(device, joined(next), next.since_ms)
  }
  // Of another hub is what its answer says, until the one of this is here.
  const answer = state.value.answer?.hub === hub ? state.value.answer : undefined
  const stored = hand.stored?.hub === hub ? hand.stored : undefined
  return {
    devices: knownStates([stored?.devices ?? [], answer?.devices ?? []], live.value),
    taps: taps.value,
    queued: queued.value,
    last: last.value,
    connection: connection.value,
    away: away.value,
    online: online.value,
    // When another hub's answer came says nothing of this one.
    resource: { ...state.value, answer, answered_ms: answer && state.value.answered_ms },
    retry,
    tap(device, set, wish) {
      buzz()
      const since_ms = browserClock.monotonic()
      const running = taps.value.get(device)
      if (running && !running.end) wait(device, queue(queued.value.get(device), { set, wish }, since_ms))
      else void send(device, { set, wish }, since_ms)
    },
  }
}

/** When the relay had the last word on it, ms since 1970 by its clock: whose clock the phone has does not matter. */
function endOf({ issued, stages }: CommandReport): number {
  return issued + Math.max(0, ...stages.filter(({ by }) => by === 'relay').map(({ ms }) => ms))
}
