import { Problem } from '../contract/problem.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import type { Administration } from './administration.ts'

/**
 * Puts a maintenance window into what is known of a hub, as of each moment of the window: what is past of it counts for
 * the hours that are past. Returns the record that holds from its beginning. Raises `missing` for a hub that was not
 * there in any part of it, and what `putHub` raises.
 */
export async function addMaintenance(
  registry: Pick<Administration, 'history' | 'putHub'>,
  hub: string,
  window: HubRecord['maintenance'][number],
  now_ms: number,
): Promise<HubRecord> {
  const history = registry.history(hub)
  // Nothing is said anew of times before it matters: every hour from there on is made again.
  const from_ms = Math.min(window.from_ms, now_ms)
  const first = history.findLast(({ valid_from_ms }) => valid_from_ms <= from_ms)
  const later = history.filter(({ valid_from_ms }) => valid_from_ms > from_ms && valid_from_ms < window.to_ms)
  const written = [...(first ? [{ ...first, valid_from_ms: from_ms }] : []), ...later].map(
    ({ record, valid_from_ms }) => ({
      valid_from_ms,
      record: { ...record, maintenance: [...record.maintenance, window] },
    }),
  )
  const [shown] = written
  if (!shown) {
    throw new Problem('missing', `hub ${hub} was not in the registry at that time: hearth registry hubs lists them`)
  }
  for (const { record, valid_from_ms } of written) await registry.putHub(record, valid_from_ms)
  return shown.record
}
