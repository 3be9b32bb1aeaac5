import { z } from 'zod'
import { rowsOf } from './answer-rows.ts'
import { tablesOf } from './fleet.ts'
import type { Queries } from './query-protocol.ts'
import { date, lines } from './sql-text.ts'

const DAY_MS = 86_400_000
const DEVICES_MAX = 20_000

export type Devices = ReadonlyMap<string, { readonly device: string; readonly attributes: string[] }[]>

/** Devices that reported since yesterday, by hub, with the attributes that they reported. */
export async function devicesOf(queries: Queries, now_ms: number, signal: AbortSignal): Promise<Devices> {
  const devices = new Map<string, { readonly device: string; readonly attributes: string[] }[]>()
  if (!(await tablesOf(queries, signal)).has('readings')) return devices
  const sql = lines(`
    SELECT hub_id, device_id, string_agg(DISTINCT attribute, ',' ORDER BY attribute) AS attributes
    FROM readings
    WHERE event_date >= ${date(now_ms - DAY_MS)} AND device_id IS NOT NULL
    GROUP BY hub_id, device_id
    ORDER BY hub_id, device_id`)
  const row = z.object({ hub_id: z.string(), device_id: z.string(), attributes: z.string().nullable() })
  for (const { hub_id, device_id, attributes } of rowsOf(
    await queries.run({ sql, max_rows: DEVICES_MAX }, signal),
    row,
  )) {
    const list = devices.get(hub_id) ?? []
    list.push({ device: device_id, attributes: attributes?.split(',').filter(Boolean) ?? [] })
    devices.set(hub_id, list)
  }
  return devices
}
