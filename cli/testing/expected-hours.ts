/** What hub_hours and fleet_hours must say of a fleet without control connections, by arithmetic on times alone. */
const HOUR_MS = 3_600_000

/** When a hub was to be there. */
export type Stay = {
  readonly hub: string
  readonly enrolled_ms: number
  readonly retired_ms?: number
  readonly maintenance: readonly (readonly [from_ms: number, to_ms: number])[]
}

export type HubHour = {
  readonly hour_ms: number
  readonly hub: string
  readonly firmware: string
  readonly expected_ms: number
  readonly boots: number
}

const overlap = (from_ms: number, to_ms: number, hour_ms: number) =>
  Math.max(0, Math.min(to_ms, hour_ms + HOUR_MS) - Math.max(from_ms, hour_ms))

/** Undefined before anything is known of the hub. `heard` is its one run: when it first spoke, and its firmware. */
export function hubHour(
  { hub, enrolled_ms, retired_ms, maintenance }: Stay,
  heard: { readonly first_ms: number; readonly firmware: string } | undefined,
  hour_ms: number,
): HubHour | undefined {
  const spoke = heard !== undefined && heard.first_ms < hour_ms + HOUR_MS
  if (!spoke && enrolled_ms >= hour_ms + HOUR_MS) return undefined
  const there_ms = overlap(enrolled_ms, retired_ms ?? Number.MAX_SAFE_INTEGER, hour_ms)
  const away_ms = maintenance.reduce((sum, [from_ms, to_ms]) => sum + overlap(from_ms, to_ms, hour_ms), 0)
  return {
    ...{ hour_ms, hub, firmware: spoke ? heard.firmware : 'unknown', expected_ms: there_ms - away_ms },
    boots: spoke && heard.first_ms >= hour_ms ? 1 : 0,
  }
}

/** `hour firmware hubs expected availability boots` of the hubs of one firmware, or of all for `*`. */
export function fleetHour(hour_ms: number, firmware: string, hours: readonly HubHour[]): string {
  const mine = hours.filter((one) => firmware === '*' || one.firmware === firmware)
  const expected_ms = mine.reduce((sum, one) => sum + one.expected_ms, 0)
  const boots = mine.reduce((sum, one) => sum + one.boots, 0)
  const hubs = mine.filter((one) => one.expected_ms > 0).length
  return [hour_ms, firmware, hubs, expected_ms, expected_ms > 0 ? '0' : '', boots].join(' ')
}
