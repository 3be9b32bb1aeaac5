import type { Administration } from './administration.ts'
import { CHANGES_READ_MAX } from './limits.ts'
import { hubRecordOf, number, text } from './row.ts'
import type { Reads } from './sqlite-statements.ts'

/** Hubs over time, as the file has them. */
export function hubsIn({ get, all }: Reads): Pick<Administration, 'hubs' | 'hub' | 'history' | 'changes'> {
  return {
    hub: (id) => hubRecordOf(get('SELECT record FROM hubs WHERE hub = ? ORDER BY valid_from_ms DESC LIMIT 1', id)),
    hubs: (at_ms = Number.MAX_SAFE_INTEGER) =>
      // The bare column comes from the row of the maximum: https://sqlite.org/lang_select.html#bareagg
      all('SELECT record, max(valid_from_ms) FROM hubs WHERE valid_from_ms <= ? GROUP BY hub ORDER BY hub', at_ms)
        .map(hubRecordOf)
        .filter((record) => record !== undefined),
    history: (id) =>
      all('SELECT record, valid_from_ms FROM hubs WHERE hub = ? ORDER BY valid_from_ms', id).flatMap((row) => {
        const record = hubRecordOf(row)
        return record ? [{ record, valid_from_ms: number(row['valid_from_ms']) }] : []
      }),
    changes: (bucket, seq, limit) =>
      all(
        'SELECT seq, event FROM changes WHERE bucket = ? AND seq >= ? ORDER BY seq LIMIT ?',
        bucket,
        seq,
        Math.min(limit, CHANGES_READ_MAX),
      ).map((row) => ({ bucket, seq: number(row['seq']), event: JSON.parse(text(row['event'])) })),
  }
}
