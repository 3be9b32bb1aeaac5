import { bucketOf } from '../contract/bucket.ts'
import { assert, Problem } from '../contract/problem.ts'
import { type HubRecord, hubRecord } from '../contract/registry-record.ts'
import { isId } from '../contract/source.ts'
import type { Administration } from './administration.ts'
import { changeOf, hubEvent } from './hub-event.ts'
import { CHANGES_READ_MAX } from './limits.ts'
import { hubRecordOf, number, text } from './sqlite-row.ts'
import type { RegistryOptions } from './sqlite-schema.ts'
import type { Statements } from './sqlite-statements.ts'

type Hubs = {
  readonly seen: Pick<Administration, 'hubs' | 'hub' | 'putHub' | 'retireHub' | 'history' | 'changes'>
  /** As `putHub`, inside a transaction that is already open. */
  readonly write: (record: HubRecord, valid_from_ms: number) => void
  /** The newest record; raises `missing`. */
  readonly known: (hub: string) => HubRecord
}

/** Hubs over time. Each write is a record and the event that tells of it, numbered without a gap in its bucket. */
export function hubsIn(
  { get, all, run, change }: Statements,
  { layout, clock }: Pick<RegistryOptions, 'layout' | 'clock'>,
  wall_ms: number,
): Hubs {
  const hub = (id: string) =>
    hubRecordOf(get('SELECT record FROM hubs WHERE hub = ? ORDER BY valid_from_ms DESC LIMIT 1', id))

  const known = (id: string): HubRecord => {
    const record = hub(id)
    if (!record)
      throw new Problem('missing', `no hub ${JSON.stringify(id)} in the registry: hearth registry hubs lists them`)
    return record
  }

  const write = (record: HubRecord, valid_from_ms: number) => {
    const id = record.hub
    const body = JSON.stringify(record)
    const exact = get('SELECT record FROM hubs WHERE hub = ? AND valid_from_ms = ?', id, valid_from_ms)
    if (exact && text(exact['record']) === body) return
    const before = hubRecordOf(
      get(
        'SELECT record FROM hubs WHERE hub = ? AND valid_from_ms <= ? ORDER BY valid_from_ms DESC',
        id,
        valid_from_ms,
      ),
    )
    const after = hubRecordOf(
      get('SELECT record FROM hubs WHERE hub = ? AND valid_from_ms > ? ORDER BY valid_from_ms', id, valid_from_ms),
    )
    if ((before && before.generation > record.generation) || (after && after.generation < record.generation)) {
      throw new Problem(
        'conflict',
        `the generation of hub ${id} only rises: found ${record.generation} between ${before?.generation ?? 'none'} before it and ${after?.generation ?? 'none'} after it`,
      )
    }
    run('INSERT OR REPLACE INTO hubs VALUES (?, ?, ?)', id, valid_from_ms, body)
    const bucket = bucketOf(id, layout.buckets)
    const next = get('SELECT coalesce(max(seq) + 1, 0) AS seq FROM changes WHERE bucket = ?', bucket)
    const event = hubEvent(changeOf(before, record), record, valid_from_ms, Math.max(0, clock.now() - wall_ms))
    run('INSERT INTO changes VALUES (?, ?, ?)', bucket, number(next?.['seq']), JSON.stringify(event))
  }

  const seen: Hubs['seen'] = {
    hub,
    hubs: (at_ms = Number.MAX_SAFE_INTEGER) =>
      // The bare column comes from the row of the maximum: https://sqlite.org/lang_select.html#bareagg
      all('SELECT record, max(valid_from_ms) FROM hubs WHERE valid_from_ms <= ? GROUP BY hub ORDER BY hub', at_ms)
        .map(hubRecordOf)
        .filter((record) => record !== undefined),
    putHub(record, valid_from_ms) {
      const bad = [record.hub, record.home].find((name) => !isId(name))
      if (bad !== undefined) {
        throw new Problem(
          'invalid',
          `a hub or home is named by up to 64 of a–z, 0–9, '.', '_' and '-', beginning with a letter or digit; found ${JSON.stringify(bad)}`,
        )
      }
      const checked = hubRecord.safeParse(record)
      if (!checked.success) {
        const problems = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
        throw new Problem('invalid', `not a hub record: ${problems.join('; ')}`)
      }
      if (!isTimeZone(checked.data.zone)) {
        throw new Problem(
          'invalid',
          `expected an IANA time zone, as Europe/Berlin; found ${JSON.stringify(record.zone)}`,
        )
      }
      assert(Number.isSafeInteger(valid_from_ms), `valid_from_ms is whole ms since 1970, found ${valid_from_ms}`)
      change(() => write(checked.data, valid_from_ms))
    },
    retireHub(id, at_ms) {
      change(() => {
        const record = known(id)
        if (record.retired_ms !== undefined) return
        const last = get('SELECT max(valid_from_ms) AS last FROM hubs WHERE hub = ?', id)
        write({ ...record, retired_ms: at_ms }, Math.max(at_ms, number(last?.['last'])))
      })
    },
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
  return { seen, known, write }
}

/** Does the runtime's time zone database know it? */
function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone.length > 0
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
