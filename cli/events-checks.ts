/** What `hearth lake doctor` looks at beside the tables' own form: what ingest keeps in the lake. Nothing is changed. */
import { createHash } from 'node:crypto'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { ingestInfoOf } from '../contract/ingest-info.ts'
import { assert, isProblem } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { LOSSES_TABLE } from '../ingest/losses.ts'
import { logOfTxn } from '../ingest/position.ts'
import { decodeRanges } from '../ingest/ranges-form.ts'
import { loadRanges, rangesFolder } from '../ingest/ranges-store.ts'
import type { FileCacheOptions } from '../lake/file-cache.ts'
import { LAKE_PATH, type Lake } from '../lake/lake.ts'
import { openQuery } from '../lake/query.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Finding } from './doctor.ts'
import { type Looking as LookingAtTable, named, sampleOf } from './table-checks.ts'

const DAY_MS = 86_400_000
/** Snapshots of a bucket's ranges that are read: a reader goes on to the next older one when one is damaged. */
const SNAPSHOTS_READ = 3
/** Commits whose ranges a writer folds at its start without anybody waiting. */
const RANGES_BEHIND_MAX = 5_000
/** Newest commits that are asked which log they are of. */
const COMMITS_ASKED = 100

type Looking = LookingAtTable & { readonly lake: Lake; readonly cache: FileCacheOptions }

export async function examineEvents(looking: Looking, log: EventLog | undefined): Promise<readonly Finding[]> {
  const { lake } = looking
  const snapshot = await (await lake.table(EVENTS_TABLE)).snapshot()
  return [
    await ranges(looking, snapshot),
    await additions(looking),
    await logs(lake, snapshot, log),
    await otherLakes(lake),
    await losses(looking),
    await deadLetters(looking),
    await reusedNumbers(looking),
  ]
}

async function ranges({ lake, all }: Looking, { version }: Snapshot): Promise<Finding> {
  const check = 'ranges'
  const layout = lake.layouts.at(-1)
  assert(layout, 'a lake has a layout')
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const faults: string[] = []
  let read = 0
  for (const bucket of buckets) {
    const paths: string[] = []
    for await (const { path } of lake.store.list(`${rangesFolder(layout, bucket)}/`)) paths.push(path)
    for (const path of all ? paths : paths.slice(-SNAPSHOTS_READ)) {
      read++
      const at = Number(path.slice(path.lastIndexOf('/') + 1))
      try {
        decodeRanges({ epoch: layout.epoch, bucket, version: at }, await lake.store.get(path))
      } catch (error) {
        if (!isProblem(error)) throw error
        faults.push(`${path}: ${error.message}`)
      }
    }
  }
  try {
    const table = await lake.table(EVENTS_TABLE)
    const loaded = await loadRanges({ store: lake.store, table, layout }, buckets, version)
    const oldest = Math.min(...[...loaded.values()].map((one) => one.snapshot_version))
    if (faults.length > 0) {
      const advice = 'an older one and the log say the same: move it away, or restore it from a backup'
      return { check, state: 'bad', found: named(faults), advice }
    }
    const found = `${read} snapshots can be read; the oldest that is needed is ${version - oldest} versions behind`
    if (version - oldest <= RANGES_BEHIND_MAX) return { check, state: 'good', found }
    return {
      check,
      state: 'warning',
      found,
      advice: 'each start of a writer reads all these commits; idle buckets cause it',
    }
  } catch (error) {
    if (!isProblem(error)) throw error
    const advice = 'no writer starts without them: restore what is named from a backup'
    return { check, state: 'bad', found: [...faults, error.message].join('; '), advice }
  }
}

/** Ranges of large commits are objects named by their hash. */
async function additions({ lake, all }: Looking): Promise<Finding> {
  const paths: string[] = []
  for await (const { path } of lake.store.list('_hearth/additions/')) paths.push(path)
  const looked = sampleOf(paths, all)
  const faults: string[] = []
  for (const path of looked) {
    const hash = createHash('sha256')
      .update(await lake.store.get(path))
      .digest('hex')
    if (!path.endsWith(`/${hash}`)) faults.push(path)
  }
  const check = 'additions'
  if (faults.length === 0)
    return { check, state: 'good', found: `${looked.length} of ${paths.length} match their names` }
  return {
    check,
    state: 'bad',
    found: `not what their names say: ${named(faults)}`,
    advice: 'restore them from a backup',
  }
}

/** Which event logs the table was written from, and whether more than one is at work. */
async function logs(lake: Lake, { txns, version }: Snapshot, log: EventLog | undefined): Promise<Finding> {
  const check = 'event logs'
  const layout = lake.layouts.at(-1)
  assert(layout, 'a lake has a layout')
  const known = new Set<string>()
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    for (const appId of txns.keys()) {
      const id = logOfTxn(appId, layout, bucket)
      if (id !== undefined) known.add(id)
    }
  }
  const order: string[] = []
  try {
    for await (const { info } of (await lake.table(EVENTS_TABLE)).history(version - COMMITS_ASKED + 1)) {
      const id = ingestInfoOf(info)?.log
      if (id !== undefined && id !== order.at(-1)) order.push(id)
    }
  } catch (error) {
    if (!isProblem(error)) throw error
  }
  if (order.length > new Set(order).size) {
    const found = `${named([...new Set(order)])} take turns in the newest commits`
    return { check, state: 'bad', found, advice: 'two installations write into this lake: end one of them' }
  }
  const found = known.size === 0 ? 'none was read yet' : `read from ${named([...known])}`
  if (!log || known.size === 0 || known.has(log.id)) return { check, state: 'good', found }
  const advice = 'right after log.db was lost or moved; else this lake belongs to another state folder'
  return { check, state: 'warning', found: `${found}, never from ${log.id}, which is here`, advice }
}

async function otherLakes({ store, tables }: Lake): Promise<Finding> {
  const check = 'one lake'
  const faults: string[] = []
  for (const name of ['_hearth', ...(await tables())]) {
    for await (const { path } of store.list(`${name}/`)) {
      if (path !== LAKE_PATH && path.endsWith(`/${LAKE_PATH}`)) faults.push(path)
    }
  }
  if (faults.length === 0) return { check, state: 'good', found: `no other lake lies in ${store.url}` }
  const advice = 'vacuum of the outer one would delete what is of the inner one: move it to a place of its own'
  return { check, state: 'bad', found: `another lake lies in this one: ${named(faults)}`, advice }
}

async function losses(looking: Looking): Promise<Finding> {
  const check = 'losses'
  if (!(await looking.lake.tables()).includes(LOSSES_TABLE)) return { check, state: 'good', found: 'none' }
  const told = async (kind: string, what: string) => {
    const select = `SELECT count(*), max(time)::VARCHAR, max_by(reason, time) FROM ${LOSSES_TABLE} WHERE kind = '${kind}'`
    const [count, newest, reason] = await firstRow(looking, select)
    return count === '0' ? [] : [`${what}: ${count}, the newest of ${newest}: ${reason}`]
  }
  const gaps = await told('gap', 'gaps between log and table')
  const found = [
    ...gaps,
    ...(await told('accepted', 'losses that somebody accepted')),
    ...(await told('replaced', 'logs replaced, perhaps without loss')),
  ]
  if (found.length === 0) return { check, state: 'good', found: 'none' }
  const rows = 'hearth sql "select * from losses order by time desc"; docs/operations.md, HearthEventsLost'
  const advice = gaps.length > 0 ? rows : `hearth verify counts what is known to be missing; ${rows}`
  return { check, state: 'warning', found: found.join('; '), advice }
}

/**
 * As the view `dead_letters` has it, of what came in the last day: a replay is stored with the receipt of the letter, so that
 * it is looked for among what came since then too, and not in every file of the table.
 */
async function deadLetters(looking: Looking): Promise<Finding> {
  const check = 'dead letters'
  const since = new Date(looking.clock.now() - DAY_MS).toISOString()
  const received = `received_time >= TIMESTAMPTZ '${since}'`
  const dead = `kind = 'dead' AND event_date >= DATE '${since.slice(0, 10)}' AND ${received}`
  const stored = `SELECT source_id, boot_id, stream, seq FROM events WHERE ${received} AND kind NOT IN ('dead', 'batch')`
  const [count, reason] = await firstRow(
    looking,
    `SELECT count(*), mode(reason) FROM (SELECT * FROM events WHERE ${dead}) d
     WHERE NOT EXISTS (SELECT 1 FROM (${stored}) s
       WHERE s.source_id = d.source_id AND s.boot_id = d.boot_id AND s.stream = d.stream AND s.seq = d.seq)`,
  )
  if (Number(count) === 0) return { check, state: 'good', found: 'none of the last day' }
  const advice = 'hearth deadletters list shows them, hearth deadletters replay takes them in after a fix'
  return { check, state: 'warning', found: `${count} of the last day, most of them: ${reason}`, advice }
}

/** The first in the log is stored; that another came under its numbers only its batch row tells. */
async function reusedNumbers(looking: Looking): Promise<Finding> {
  const check = 'reused numbers'
  const since = new Date(looking.clock.now() - DAY_MS).toISOString()
  const [count, sources, example] = await firstRow(
    looking,
    `SELECT count(*), count(DISTINCT source_id), any_value(source_id || ' ' || boot_id || ' ' || stream || ' from ' || batch_first || ', firmware ' || coalesce(firmware, '?'))
     FROM (SELECT source_id, boot_id, stream, batch_first, max(firmware) AS firmware FROM events
       WHERE kind = 'batch' AND batch_count > 0 AND extra['listener'] <> 'replay' AND event_date >= DATE '${since.slice(0, 10)}'
       GROUP BY ALL HAVING count(DISTINCT (batch_count, batch_crc)) > 1)`,
  )
  if (Number(count) === 0) return { check, state: 'good', found: 'none of the last day' }
  const found = `${count} times other events came under numbers that were used, from ${sources} sources, as ${example}`
  const advice =
    'the first are stored, the others are not: mend the firmware, which must never cut a batch anew nor repeat a boot (docs/hub-protocol.md)'
  return { check, state: 'warning', found, advice }
}

async function firstRow({ lake, clock, cache }: Looking, sql: string): Promise<readonly string[]> {
  try {
    await using query = await openQuery({ lake, clock, cache, threads: 1 })
    return ((await query.run(sql)).rows[0] ?? []).map(String)
  } catch (error) {
    if (!isProblem(error)) throw error
    return ['?', error.message, error.message]
  }
}
