import { literal } from '../lake/schema.ts'
import type { ErasedHub } from './erased-hubs.ts'

/**
 * SQL condition of the rows of `events` that are a hub's, up to a generation: what it sent, what services told of it, and
 * dead lines of services that name it.
 */
export function erasedEvents(hub: string, { generation, since_ms }: ErasedHub): string {
  const before = (column: string) => (since_ms === undefined ? 'true' : `epoch_ms(${column}) < ${since_ms}`)
  const upTo = (text: string) => `coalesce(TRY_CAST(${text} AS BIGINT) <= ${generation}, ${before('received_time')})`
  return `CASE WHEN source_id = ${literal(hub)} THEN ${upTo(`split_part(boot_id, '-', 1)`)}
    WHEN hub_id = ${literal(hub)} THEN CASE WHEN kind = 'registry' THEN ${upTo(`extra['generation']`)} ELSE ${before('event_time')} END
    WHEN kind = 'dead' AND hub_id IS NULL THEN coalesce(contains(text, ${literal(`"${hub}"`)}), false) AND ${before('received_time')}
    ELSE false END`
}
