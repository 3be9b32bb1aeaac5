/** The homes of the demo's history: who they are, which of them have trouble, and what the registry knows of them. */
import type { Random } from '../contract/clock.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { between } from './chance.ts'

export const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** What makes a home different from its neighbours, so that the pages have something to find. */
export type Trouble = 'weak-wifi' | 'crash-loop' | 'offline-day' | 'maintenance' | 'retired'

export type HistoryHub = {
  readonly hub: string
  readonly zone: string
  readonly region: string
  readonly model: string
  readonly trouble: Trouble | undefined
  readonly enrolled_ms: number
  /** Its story ends here: the end of the history, or when it was retired. */
  readonly end_ms: number
  /** When it was given the new firmware; undefined for hubs that keep the old one. */
  readonly upgraded_ms: number | undefined
}

export type HistoryOptions = {
  /** Prefix of the hubs' ids: `demo-` makes demo-01, demo-02, … */
  readonly prefix: string
  readonly hubs: number
  readonly days: number
  /** Where history ends and live begins, ms since 1970. */
  readonly end_ms: number
  readonly random: Random
}

/** The old firmware, and the new one, which is slower on the radio and crashes now and then. */
export const FIRMWARE_OLD = '4.1.0'
export const FIRMWARE_NEW = '4.2.0'

const PLACES = [
  ['Europe/Berlin', 'eu-central'],
  ['Europe/London', 'eu-west'],
  ['America/New_York', 'us-east'],
  ['America/Los_Angeles', 'us-west'],
] as const
/** One home of each kind, by its number. */
const TROUBLES: Readonly<Record<number, Trouble>> = {
  3: 'weak-wifi',
  7: 'crash-loop',
  11: 'offline-day',
  16: 'maintenance',
}

/** The fleet: `hubs` homes that live on, and one more that was retired two days before the end. */
export function historyFleet({ prefix, hubs, days, end_ms, random }: HistoryOptions): readonly HistoryHub[] {
  const start_ms = end_ms - days * DAY_MS
  return Array.from({ length: hubs + 1 }, (_, index): HistoryHub => {
    const number = index + 1
    const retired = number > hubs
    const [zone, region] = PLACES[index % PLACES.length] ?? PLACES[0]
    return {
      hub: `${prefix}${String(number).padStart(2, '0')}`,
      zone,
      region,
      model: number % 5 === 0 ? 'hearth-mini' : 'hearth-one',
      trouble: retired ? 'retired' : TROUBLES[number],
      // Most homes were there; each sixth joined within the first two days.
      enrolled_ms: Math.min(
        // Without a history nobody joins later than now.
        end_ms,
        Math.round(
          start_ms + (number % 6 === 0 ? between(random, 0.1, 0.3) * days * DAY_MS : between(random, 0, 120_000)),
        ),
      ),
      end_ms: retired ? end_ms - Math.min(2, days / 2) * DAY_MS : end_ms,
      upgraded_ms: number % 2 === 0 ? undefined : Math.round(start_ms + (0.5 + 0.02 * index) * days * DAY_MS),
    }
  })
}

/** When the home with trouble `maintenance` was being worked on: two hours in the middle of its history. */
export function maintenanceOf(hub: HistoryHub): { readonly from_ms: number; readonly to_ms: number } | undefined {
  if (hub.trouble !== 'maintenance') return undefined
  const from_ms = Math.round((hub.enrolled_ms + hub.end_ms) / 2)
  return { from_ms, to_ms: from_ms + 2 * HOUR_MS }
}

/** What was written into the registry in the course of the history, oldest first for each hub. */
export function historyRegistry(
  fleet: readonly HistoryHub[],
): readonly { readonly record: HubRecord; readonly valid_from_ms: number }[] {
  return fleet.flatMap((hub) => {
    const record: HubRecord = {
      hub: hub.hub,
      home: `home-${hub.hub}`,
      region: hub.region,
      model: hub.model,
      zone: hub.zone,
      generation: 1,
      enrolled_ms: hub.enrolled_ms,
      maintenance: [],
    }
    const changes = [{ record, valid_from_ms: hub.enrolled_ms }]
    const window = maintenanceOf(hub)
    if (window) changes.push({ record: { ...record, maintenance: [window] }, valid_from_ms: window.from_ms - HOUR_MS })
    if (hub.trouble === 'retired')
      changes.push({ record: { ...record, retired_ms: hub.end_ms }, valid_from_ms: hub.end_ms })
    return changes
  })
}

/** Boots of live agents begin above this: those of a history have lower counters. */
export const HISTORY_COUNTER_MAX = 9_999

/** How the live agent of a demo's hub goes on where its history ended; `number` as in its id. */
export function liveTraits(number: number): { readonly firmware: string; readonly weak_radios: boolean } {
  const firmware = number % 2 === 0 ? FIRMWARE_OLD : FIRMWARE_NEW
  return { firmware, weak_radios: TROUBLES[number] === 'weak-wifi' }
}
