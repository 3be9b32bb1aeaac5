import { z } from 'zod'
import { remember } from '../contract/remember.ts'
import { numeric, rowsOf } from './answer-rows.ts'
import type { DeviceStates } from './api.ts'
import { tablesOf } from './fleet.ts'
import { STATES_HUBS_MAX, STATES_OF_HUB_MAX } from './limits.ts'
import type { Queries } from './query-protocol.ts'
import type { RelayEvent } from './relay-client.ts'
import { date, lines } from './sql-text.ts'

const DAY_MS = 86_400_000

type State = DeviceStates[number]['attributes'][number]
/** By device, then by attribute. */
type HubStates = Map<string, Map<string, State>>

/** What devices said while the relay's feed was followed: the table has it some seconds later. */
export type LiveStates = {
  take(event: Extract<RelayEvent, { type: 'state' }>): void
  of(hub: string): HubStates
}

export function liveStates(): LiveStates {
  const hubs = new Map<string, HubStates>()
  return {
    take({ hub, device, set, at }) {
      const states: HubStates = hubs.get(hub) ?? new Map<string, Map<string, State>>()
      const attributes = states.get(device) ?? new Map<string, State>()
      for (const [attribute, value] of Object.entries(set)) {
        remember(attributes, attribute, { attribute, value, unit: null, time_ms: at }, STATES_OF_HUB_MAX)
      }
      remember(states, device, attributes, STATES_OF_HUB_MAX)
      remember(hubs, hub, states, STATES_HUBS_MAX)
    },
    of: (hub) => hubs.get(hub) ?? new Map(),
  }
}

/** Devices of one hub that reported since yesterday, and what each said last of each of its attributes, by the table. */
export async function storedStates(
  queries: Queries,
  hub: string,
  now_ms: number,
  signal: AbortSignal,
): Promise<DeviceStates> {
  if (!(await tablesOf(queries, signal)).has('readings')) return []
  const sql = lines(`
    SELECT device_id AS device, attribute, arg_max(value, event_time) AS value, arg_max(text, event_time) AS text,
      arg_max(unit, event_time) AS unit, epoch_ms(max(event_time)) AS time_ms
    FROM readings
    WHERE event_date >= ${date(now_ms - DAY_MS)} AND hub_id = '${hub.replaceAll("'", "''")}'
      AND device_id IS NOT NULL AND attribute IS NOT NULL
    GROUP BY device_id, attribute
    ORDER BY device_id, attribute`)
  const row = z.object({
    device: z.string(),
    attribute: z.string(),
    value: numeric,
    text: z.string().nullable(),
    unit: z.string().nullable(),
    time_ms: numeric,
  })
  const devices = new Map<string, State[]>()
  for (const { device, value, text, ...rest } of rowsOf(
    await queries.run({ sql, max_rows: STATES_OF_HUB_MAX }, signal),
    row,
  )) {
    const attributes = devices.get(device) ?? []
    attributes.push({ ...rest, value: value ?? text })
    devices.set(device, attributes)
  }
  return [...devices].map(([device, attributes]) => ({ device, attributes }))
}

/** Of each attribute what was said last, whoever knows of it. */
export function joinStates(stored: DeviceStates, live: HubStates): DeviceStates {
  const devices = new Map(
    stored.map(({ device, attributes }) => [device, new Map(attributes.map((state) => [state.attribute, state]))]),
  )
  for (const [device, attributes] of live) {
    const known = devices.get(device) ?? new Map<string, State>()
    devices.set(device, known)
    for (const state of attributes.values()) {
      const before = known.get(state.attribute)
      if ((before?.time_ms ?? 0) <= (state.time_ms ?? 0)) {
        known.set(state.attribute, { ...state, unit: before?.unit ?? null })
      }
    }
  }
  return [...devices].map(([device, attributes]) => ({ device, attributes: [...attributes.values()] }))
}
