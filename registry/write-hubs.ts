import { bucketOf } from '../contract/bucket.ts'
import { assert, Problem } from '../contract/problem.ts'
import { type HubRecord, hubRecord } from '../contract/registry-record.ts'
import { isId } from '../contract/source.ts'
import type { Administration } from './administration.ts'
import { changeOf, hubEvent } from './hub-event.ts'
import type { RegistryOptions } from './registry-options.ts'
import { hubRecordOf, number, text } from './row.ts'
import { type Change, row, run, type Steps } from './steps.ts'

export const NEWEST = 'SELECT record FROM hubs WHERE hub = ? ORDER BY valid_from_ms DESC LIMIT 1'
const BEFORE = 'SELECT record FROM hubs WHERE hub = ? AND valid_from_ms <= ? ORDER BY valid_from_ms DESC LIMIT 1'
const AFTER = 'SELECT record FROM hubs WHERE hub = ? AND valid_from_ms > ? ORDER BY valid_from_ms LIMIT 1'
const WRITE =
  'INSERT INTO hubs (hub, valid_from_ms, record) VALUES (?, ?, ?) ON CONFLICT (hub, valid_from_ms) DO UPDATE SET record = excluded.record'

type Parts = Pick<RegistryOptions, 'layout' | 'clock'> & { readonly wall_ms: number }

/** What changes hubs. Each write is a record and the event that tells of it, numbered without a gap in its bucket. */
export function hubWrites(change: Change, parts: Parts): Pick<Administration, 'putHub' | 'retireHub'> {
  return {
    async putHub(record, valid_from_ms) {
      const checked = checkedRecord(record)
      assert(Number.isSafeInteger(valid_from_ms), `valid_from_ms is whole ms since 1970, found ${valid_from_ms}`)
      await change(() => writeHub(checked, valid_from_ms, parts))
    },
    async retireHub(id, at_ms) {
      await change(function* () {
        const record = yield* knownHub(id)
        if (record.retired_ms !== undefined) return
        const found = yield* row('SELECT max(valid_from_ms) AS last FROM hubs WHERE hub = ?', id)
        yield* writeHub({ ...record, retired_ms: at_ms }, Math.max(at_ms, number(found?.['last'])), parts)
      })
    },
  }
}

/** The newest record; raises `missing`. */
export function* knownHub(id: string): Steps<HubRecord> {
  const record = hubRecordOf(yield* row(NEWEST, id))
  if (record) return record
  throw new Problem('missing', `no hub ${JSON.stringify(id)} in the registry: hearth registry hubs lists them`)
}

/** A record that was checked, and its event; nothing when it is there already. Raises `conflict`. */
export function* writeHub(record: HubRecord, valid_from_ms: number, { layout, clock, wall_ms }: Parts): Steps<void> {
  const id = record.hub
  const body = JSON.stringify(record)
  const exact = yield* row('SELECT record FROM hubs WHERE hub = ? AND valid_from_ms = ?', id, valid_from_ms)
  if (exact && text(exact['record']) === body) return
  const before = hubRecordOf(yield* row(BEFORE, id, valid_from_ms))
  const after = hubRecordOf(yield* row(AFTER, id, valid_from_ms))
  if ((before && before.generation > record.generation) || (after && after.generation < record.generation)) {
    throw new Problem(
      'conflict',
      `the generation of hub ${id} only rises: found ${record.generation} between ${before?.generation ?? 'none'} before it and ${after?.generation ?? 'none'} after it`,
    )
  }
  yield* run(WRITE, id, valid_from_ms, body)
  const bucket = bucketOf(id, layout.buckets)
  const next = yield* row('SELECT coalesce(max(seq) + 1, 0) AS seq FROM changes WHERE bucket = ?', bucket)
  const event = hubEvent(changeOf(before, record), record, valid_from_ms, Math.max(0, clock.now() - wall_ms))
  const seq = number(next?.['seq'])
  yield* run('INSERT INTO changes (bucket, seq, event) VALUES (?, ?, ?)', bucket, seq, JSON.stringify(event))
}

/** Raises `invalid`, naming what is wrong with it. */
function checkedRecord(record: HubRecord): HubRecord {
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
  if (isTimeZone(checked.data.zone)) return checked.data
  throw new Problem('invalid', `expected an IANA time zone, as Europe/Berlin; found ${JSON.stringify(record.zone)}`)
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
