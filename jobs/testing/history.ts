import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { bucketOf } from '../../contract/bucket.ts'
import { type Random, uuid } from '../../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_SORT, EVENTS_TABLE } from '../../contract/events-table.ts'
import { assert } from '../../contract/problem.ts'
import type { AddFile } from '../../lake/action.ts'
import { type DuckDb, openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake, type Lake } from '../../lake/lake.ts'
import { openLocalFiles } from '../../lake/local-files.ts'
import type { ObjectStore } from '../../lake/object-store.ts'
import { scanSql } from '../../lake/scan.ts'
import { duckDbType, literal } from '../../lake/schema.ts'
import { writeFile } from '../../lake/write.ts'
import { ManualClock, seededRandom } from '../../sim/clock.ts'
import { type Catalogue, catalogue } from '../catalogue.ts'
import type { Engine } from '../engine.ts'
import { type Jobs, openJobs } from '../jobs.ts'
import { HOUR_MS } from '../limits.ts'
import { type Look, openLook } from '../look.ts'
import { type Rehearsed, rehearse } from '../rehearsal.ts'

/** A row of `events`; times in ms since 1970. */
export type Row = {
  readonly hub_id: string
  readonly kind: string
  readonly event_time: number
  readonly received_time?: number
  readonly issued_time?: number
  readonly extra?: Readonly<Record<string, string>>
  /** It is of the bucket of its hub, and names none. */
  readonly of_service?: boolean
  readonly [column: string]: unknown
}

export const BUCKETS = 2

/** A lake in a temporary folder, written to directly, with jobs over it. */
export type History = {
  /** Where it is: the lake is the folder `lake` in it. */
  readonly folder: string
  readonly lake: Lake
  readonly clock: ManualClock
  readonly jobs: Jobs
  readonly look: Look
  /** Commits rows as ingest does: files by (date, bucket), and what it touched. */
  add(rows: readonly Row[]): Promise<void>
  /** Rows of a metric, ordered by all their columns. */
  rows(metric: string, where?: string): Promise<readonly Record<string, unknown>[]>
  /** What a run would make now. */
  rehearse(): Promise<readonly Rehearsed[]>
  /** Everything made anew in another lake from the same events. */
  anew(): Promise<History>
  [Symbol.asyncDispose](): Promise<void>
}

const TIMES = ['event_time', 'received_time', 'issued_time', 'hub_time']

export async function openHistory(
  now_ms: number,
  seed = 1,
  metrics: Catalogue = catalogue(),
  { engine, store }: { readonly engine?: Engine; readonly store?: ObjectStore } = {},
): Promise<History> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-jobs-'))
  const clock = new ManualClock(now_ms)
  const random: Random = seededRandom(seed)
  const lake = await createLake({
    ...{ store: store ?? openFolderStore(join(folder, 'lake')), clock, random, fleet: 'test', region: 'local' },
    buckets: BUCKETS,
  })
  const duck: DuckDb = await openDuckDb({ threads: 1 })
  const scratch_folder = join(folder, 'scratch')
  const cache = { folder: join(folder, 'cache'), max_bytes: 1e9 }
  const jobs = await openJobs({ lake, clock, random, scratch_folder, cache, metrics, ...(engine && { engine }) })
  const all: Row[][] = []

  const history: History = {
    folder,
    lake,
    clock,
    jobs,
    look: openLook({ lake, clock, metrics, folds: lake.store }),
    async add(rows) {
      all.push([...rows])
      const events = await lake.table(EVENTS_TABLE)
      const cells = Map.groupBy(rows, (row) => `${date(row.event_time)}/${bucketOf(row.hub_id, BUCKETS)}`)
      const adds: AddFile[] = []
      for (const [cell, group] of cells) {
        const [event_date = '', bucket = ''] = cell.split('/')
        const form = Object.fromEntries(
          EVENTS_COLUMNS.map(({ name, type }) => [name, TIMES.includes(name) ? 'BIGINT' : duckDbType(type)]),
        )
        const list = EVENTS_COLUMNS.map(({ name }) =>
          TIMES.includes(name)
            ? `make_timestamp(r.${name} * 1000) AT TIME ZONE 'UTC' AS ${name}`
            : `r."${name}" AS "${name}"`,
        )
        const filled = group.map((row) => ({
          ...{ received_time: row.event_time, ...row },
          ...(row.of_service && { hub_id: null }),
        }))
        const json = `from_json(${literal(JSON.stringify(filled))}, ${literal(JSON.stringify([form]))})`
        const add = await writeFile({
          ...{ connection: duck.connection, select: `SELECT ${list.join(', ')} FROM (SELECT unnest(${json}) AS r) x` },
          ...{ store: lake.store, prefix: events.prefix, columns: EVENTS_COLUMNS },
          ...{ partitionValues: { event_date, bucket }, sort: EVENTS_SORT, random, clock, scratch_folder },
        })
        adds.push(add)
      }
      const pairs = (times: readonly (readonly [number | undefined, string])[]) => {
        const keys = new Set<string>()
        for (const [time, hub] of times) {
          if (time !== undefined) keys.add(`${Math.floor(time / HOUR_MS) * HOUR_MS}/${bucketOf(hub, BUCKETS)}`)
        }
        return [...keys].map((key) => key.split('/').map(Number))
      }
      const plain = rows.filter(({ kind }) => kind !== 'batch' && kind !== 'dead')
      const outcome = await events.commit({
        ...{ id: uuid(random), kind: 'ingest', base: await events.snapshot(), adds, removes: [], txns: [] },
        info: {
          touched: {
            hours: pairs(plain.map((row) => [row.event_time, row.hub_id])),
            issued: pairs(plain.map((row) => [row.issued_time, row.hub_id])),
            registry: rows
              .filter(({ kind }) => kind === 'registry')
              .map((row) => [bucketOf(row.hub_id, BUCKETS), Number(row.extra?.['valid_from_ms'])]),
          },
        },
      })
      assert(outcome.kind === 'committed', 'the generator is alone')
    },
    async rows(metric, where = 'TRUE') {
      const table = await lake.table(metric)
      const snapshot = await table.snapshot()
      await using local = await openLocalFiles(lake.store, { cache, clock })
      await using held = await local.hold(table.prefix, [...snapshot.files.values()])
      return await rowsOf(
        duck.connection,
        `SELECT * FROM (${scanSql(snapshot, held.files)}) t WHERE ${where} ORDER BY ALL`,
      )
    },
    async rehearse() {
      return await rehearse({ lake, clock, random, scratch_folder, metrics })
    },
    async anew() {
      const other = await openHistory(clock.now(), seed + 1)
      for (const rows of all) await other.add(rows)
      await other.jobs.run()
      return other
    },
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]()
      await duck[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return history
}

function date(time_ms: number): string {
  return new Date(time_ms).toISOString().slice(0, 10)
}

/** Made piece by piece is made at once: every metric equals what another lake makes of all the events. */
export async function sameAsAnew(history: History): Promise<void> {
  await using other = await history.anew()
  for (const metric of METRIC_NAMES) expect(await history.rows(metric), metric).toEqual(await other.rows(metric))
}

export const METRIC_NAMES = catalogue().map(({ name }) => name)

/** A registry row: the hub is enrolled from `from_ms`. */
export function enrolled(hub_id: string, from_ms: number, extra: Readonly<Record<string, string>> = {}): Row {
  return {
    ...{
      hub_id,
      kind: 'registry',
      stage: 'enrolled',
      event_time: from_ms,
      source_id: 'registry',
      boot_id: '1-1-00000000',
    },
    ...{ stream: 'e1b00', seq: from_ms % 100_000 },
    extra: {
      ...{ home: 'home', region: 'north', model: 'h1', zone: 'Europe/Berlin', generation: '1', maintenance: '[]' },
      ...{ enrolled_ms: String(from_ms), valid_from_ms: String(from_ms), ...extra },
    },
  }
}

/** A connection row of relay-0. */
export function connection(hub_id: string, stage: string, at_ms: number, epoch: string, extra = {}): Row {
  return {
    ...{ hub_id, kind: 'connection', stage, event_time: at_ms, source_id: 'relay-0', boot_id: '1-1-aaaaaaaa' },
    ...{ stream: 'e1b00', seq: at_ms % 1_000_000, extra: { epoch, ...extra } },
  }
}

/** Signs of life of relay-0, each minute, in the bucket of a hub. */
export function alive(hub_id: string, from_ms: number, to_ms: number, boot_id = '1-1-aaaaaaaa'): Row[] {
  const rows: Row[] = []
  for (let at = from_ms; at < to_ms; at += 60_000) {
    rows.push({
      hub_id,
      kind: 'alive',
      event_time: at,
      source_id: 'relay-0',
      boot_id,
      stream: 'e1b00',
      seq: at % 1_000_000,
    })
  }
  return rows
}

/** A hub that relay-0 holds from one moment to another, with the signs of life of the relay. */
export function connected(hub_id: string, from_ms: number, to_ms: number): Row[] {
  return [connection(hub_id, 'connected', from_ms, '1.1.1'), ...alive(hub_id, from_ms, to_ms)]
}

/** The stages of a command to a lamp: each [stage, ms, by hub]. */
export function command(
  hub_id: string,
  id: string,
  issued_ms: number,
  stages: readonly [string, number, boolean?][],
): Row[] {
  return stages.map(([stage, duration_ms, hub = false], index) => ({
    ...{ hub_id, kind: 'command', stage, duration_ms, event_time: issued_ms + duration_ms, issued_time: issued_ms },
    ...{
      command_id: id,
      device_id: 'lamp',
      source_id: hub ? hub_id : 'relay-0',
      seq: index,
      stream: hub ? 'control' : 'e1b00',
    },
    ...{ boot_id: hub ? '1-1-bbbbbbbb' : '1-1-aaaaaaaa', firmware: hub ? '4.2.1' : 'relay' },
    extra: {
      ...(hub && { device_type: 'lamp' }),
      ...(stage === 'issued' && { app: 'phone', deadline_ms: '5000', set: '{"powered":true}' }),
    },
  }))
}

/** A batch row of a hub. */
export function batch(
  hub_id: string,
  at_ms: number,
  first: number,
  count: number,
  more: Readonly<Record<string, unknown>> = {},
): Row {
  return {
    ...{ hub_id, kind: 'batch', event_time: at_ms, source_id: hub_id, boot_id: '1-1-bbbbbbbb', stream: 'control' },
    ...{ batch_first: first, batch_count: count, batch_next: first + count, batch_acked: first, batch_duplicates: 0 },
    ...{ batch_dead: 0, batch_dropped: '{"dropped":[],"previous":[]}', firmware: '4.2.1', ...more },
  }
}

/** A health row of a hub. */
export function health(
  hub_id: string,
  at_ms: number,
  boot_id = '1-1-bbbbbbbb',
  firmware = '4.2.1',
  kind = 'health',
): Row {
  return {
    ...{
      hub_id,
      kind,
      event_time: at_ms,
      source_id: hub_id,
      boot_id,
      stream: 'control',
      seq: at_ms % 1_000_000,
      firmware,
    },
  }
}
