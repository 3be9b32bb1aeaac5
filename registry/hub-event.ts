import type { Event } from '../contract/event.ts'
import type { HubChange, HubRecord } from '../contract/registry-record.ts'

/** What kind of change `next` is, after `previous` of the same hub. */
export function changeOf(previous: HubRecord | undefined, next: HubRecord): HubChange {
  if (!previous || next.generation > previous.generation) return 'enrolled'
  if (next.retired_ms !== undefined) return previous.retired_ms === next.retired_ms ? 'changed' : 'retired'
  if (previous.retired_ms !== undefined) return 'enrolled'
  const apart = (record: HubRecord) => JSON.stringify({ ...record, maintenance: [] })
  return apart(previous) === apart(next) ? 'maintenance' : 'changed'
}

/** The event that tells of a record: contract/registry-record.ts says how its fields travel. `m` in ms of the boot. */
export function hubEvent(change: HubChange, record: HubRecord, valid_from_ms: number, m: number): Event {
  const { hub, maintenance, retired_ms, ...rest } = record
  return {
    m,
    hub,
    kind: 'registry',
    stage: change,
    ...rest,
    ...(retired_ms === undefined ? {} : { retired_ms }),
    maintenance: JSON.stringify(maintenance),
    valid_from_ms,
  }
}
