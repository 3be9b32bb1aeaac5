import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openGateway } from './gateway.ts'
import { openSqliteLog } from './sqlite-log.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const relay: Identity = { source: 'relay-0', role: 'service', generation: 1 }
const bucket = bucketOf('demo-01', 4)
const stream = `e1b0${bucket}`

describe('the writer', () => {
  let folder: string
  let system: System
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-writer-'))
    system = await openSystem(folder)
  })
  afterEach(async () => {
    await system.close()
    await rm(folder, { recursive: true })
  })
  const send = async (events: readonly (object | string)[], change: object = {}, identity = hub) => {
    const answer = await system.gateway.receive(identity, packed(batchOf(events, change)), 'https')
    expect(answer).toEqual({ kind: 'durable' })
  }
  const values = async () =>
    (await system.rows(`SELECT seq, value FROM events WHERE kind = 'reading' ORDER BY seq, value`)).map(
      ({ seq, value }) => [Number(seq), value],
    )

  test('puts an acknowledged batch into the table, with a row that tells of the batch', async () => {
    await send([reading(59_000, 21.5), reading(59_500, true, { colour: 'red' })])
    expect(await system.writer.commitOnce()).toBe(true)
    expect(await system.writer.commitOnce()).toBe(false)
    const rows = await system.rows(
      `SELECT kind, seq, value, unit, hub_id, extra, epoch_ms(received_time) - epoch_ms(event_time) AS age, time_source FROM events ORDER BY kind DESC, seq`,
    )
    expect(rows).toMatchObject([
      { kind: 'reading', seq: '0', value: 21.5, unit: 'W', hub_id: 'demo-01', age: '1000', time_source: 'monotonic' },
      { kind: 'reading', seq: '1', value: 1, age: '500', extra: [{ key: 'colour', value: 'red' }] },
      { kind: 'batch', seq: null, hub_id: 'demo-01' },
    ])
  })

  test('stores an event once, whether it comes again in the same attempt, a later one, or overlapping in part', async () => {
    await send([reading(1, 10), reading(2, 11)])
    await send([reading(1, 10), reading(2, 11)])
    await system.writer.commitOnce()
    await send([reading(2, 99), reading(3, 12)], { first: 1 })
    await system.writer.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
      [2, 12],
    ])
    expect(
      await system.rows(`SELECT batch_first, batch_duplicates FROM events WHERE kind = 'batch' ORDER BY ALL`),
    ).toEqual([
      { batch_first: '0', batch_duplicates: '0' },
      { batch_first: '0', batch_duplicates: '2' },
      { batch_first: '1', batch_duplicates: '1' },
    ])
    const result = await system.verify()
    expect(result).toMatchObject({ ok: true, totals: { sent: 3, stored: 3, duplicates: 3 } })
  })

  test('takes an earlier batch that comes after a later one: ranges, not a high-water mark', async () => {
    await send([reading(3, 12)], { first: 2 })
    await system.writer.commitOnce()
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 3, stored: 1, pending: 2 } })
    await send([reading(1, 10), reading(2, 11)], { next: 3 })
    await system.writer.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
      [2, 12],
    ])
  })

  test.each([
    ['not json', 'the line is not JSON'],
    ['', 'the line is not JSON'],
    ['{"m":1,"kind":"reading","text":"a\tb"}', 'the line is not JSON'],
    ['[1,2]', 'the line is no JSON object'],
    ['{"m":1}', 'kind is missing'],
    ['{"m":1,"kind":"batch"}', 'kind batch is made by Hearth alone'],
    ['{"kind":"reading"}', 'm is missing'],
    ['{"m":"1","kind":"reading"}', 'm is not a number'],
    ['{"m":1e999,"kind":"reading"}', 'm is not a number'],
    ['{"m":1,"kind":"reading","value":"on"}', 'value is neither a number nor true or false: words go into text'],
    ['{"m":1,"kind":"command","issued":"today"}', 'issued is not a time in ms since 1970'],
    ['{"m":1,"kind":"command","ms":true}', 'ms is not a number'],
    ['{"m":1,"kind":"reading","a":1,"a":2}', 'a field is there twice'],
  ])('sets the bad event %j aside, and keeps its neighbours', async (line, reason) => {
    await send([reading(1, 10), line, reading(3, 12)])
    await system.writer.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [2, 12],
    ])
    expect(await system.rows(`SELECT seq, ordinal, reason, text FROM events WHERE kind = 'dead'`)).toEqual([
      { seq: '1', ordinal: '1', reason, text: line },
    ])
    expect(await system.rows(`SELECT batch_dead FROM events WHERE kind = 'batch'`)).toEqual([{ batch_dead: '1' }])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 3, stored: 2, dead: 1 } })
  })

  test('keeps a line with tabs and returns between its tokens, and words of every language', async () => {
    await send(['{"m":1,\t"kind":"log",\r"text":"grün 🏠"}'])
    await system.writer.commitOnce()
    expect(await system.rows(`SELECT text FROM events WHERE kind = 'log'`)).toEqual([{ text: 'grün 🏠' }])
  })

  test('a service speaks about hubs of its bucket, and of no other', async () => {
    const other = Array.from({ length: 40 }, (_, i) => `hub-${i}`).find((id) => bucketOf(id, 4) !== bucket)
    const event = { m: 1, kind: 'alive', sessions: 3 }
    await send(
      [{ ...event, hub: 'demo-01' }, event, { ...event, hub: other }, { ...event, hub: 'No!' }],
      { stream },
      relay,
    )
    await system.writer.commitOnce()
    expect(await system.rows(`SELECT hub_id, source_id, extra FROM events WHERE kind = 'alive'`)).toEqual([
      { hub_id: 'demo-01', source_id: 'relay-0', extra: [{ key: 'sessions', value: '3' }] },
    ])
    expect(
      (await system.rows(`SELECT reason FROM events WHERE kind = 'dead' ORDER BY seq`)).map((r) => r['reason']),
    ).toEqual([
      'hub is missing: a service says which hub an event is about',
      'hub belongs to another bucket than the stream',
      'hub is not an id',
    ])
  })

  test('a batch refused as a whole is one row, its numbers are dead, and no promise is broken by it', async () => {
    const answer = await system.gateway.receive(
      hub,
      batchOf([reading(1, 10), reading(2, 11)], { crc: '00000000' }),
      'mqtt',
    )
    expect(answer.kind).toBe('refused')
    await send([reading(3, 12)], { first: 2, acked: 2 })
    await system.writer.commitOnce()
    expect(
      await system.rows(
        `SELECT batch_first, batch_count, reason LIKE '%CRC-32C%' AS why FROM events WHERE kind = 'dead'`,
      ),
    ).toEqual([{ batch_first: '0', batch_count: '2', why: true }])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 3, stored: 1, dead: 2, broken: 0 } })
  })

  test('a promise that was broken is seen at once', async () => {
    await send([reading(3, 12)], { first: 2, acked: 2 })
    await system.writer.commitOnce()
    expect(await system.verify()).toMatchObject({ ok: false, totals: { broken: 2, pending: 2 } })
  })

  test('a new writer goes on from the table, whatever the log still holds', async () => {
    await send([reading(1, 10)])
    await system.writer.commitOnce()
    await send([reading(1, 10)])
    await send([reading(2, 11)], { first: 1 })
    const second = await system.openOne()
    await second.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
    ])
  })

  test('of two writers of a bucket one is fenced, and nothing is stored twice', async () => {
    const files: number[] = []
    const zombie = await system.openOne(async () => files.push(0) === 1 && system.writer.commitOnce())
    await send([reading(1, 10)])
    // The other one commits between its upload and its commit.
    await expect(zombie.commitOnce()).resolves.toBe(true)
    expect(system.facts.at(-1)).toMatchObject({ kind: 'fenced' })
    expect(await values()).toEqual([[0, 10]])
    await send([reading(2, 11)], { first: 1 })
    await zombie.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
    ])
    expect(await system.verify()).toMatchObject({ ok: true })
  })

  test('a writer for which the log has forgotten too much asks the table, and stores nothing of what follows', async () => {
    const zombie = await system.openOne()
    await send([reading(1, 10)])
    await system.writer.commitOnce()
    await send([reading(2, 11)], { first: 1 })
    // It believes that the table stands before the first batch.
    await expect(zombie.commitOnce()).resolves.toBe(false)
    expect(await values()).toEqual([[0, 10]])
    await expect(zombie.commitOnce()).resolves.toBe(true)
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
    ])
    expect(system.losses).toEqual([])
  })

  test('what the log loses while the writer runs stops the bucket with a loss, and nothing after it is stored', async () => {
    await send([reading(1, 10)])
    await system.writer.commitOnce()
    await send([reading(2, 11)], { first: 1 })
    await system.log.trim(bucket, 3)
    await send([reading(3, 12)], { first: 2 })
    await expect(system.writer.commitOnce()).resolves.toBe(false)
    await expect(system.writer.commitOnce()).resolves.toBe(false)
    expect(await values()).toEqual([[0, 10]])
    expect(system.losses).toMatchObject([{ bucket, table_position: 1, log_first: 3, log_next: 4 }])
  })

  test('a log that takes the place of another is read from its beginning, and what the other may have held is told', async () => {
    await send([reading(1, 10)])
    await system.writer.commitOnce()
    const log = await openSqliteLog(join(folder, 'other.db'), {
      buckets: 4,
      clock: machineClock,
      random: machineRandom,
    })
    const gateway = openGateway({ log, layout: { epoch: 1, buckets: 4 }, clock: machineClock })
    await gateway.receive(hub, packed(batchOf([reading(1, 10)])), 'https')
    await gateway.receive(hub, packed(batchOf([reading(2, 11)], { first: 1 })), 'https')
    const writer = await system.openOne(undefined, { log })
    await writer.commitOnce()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
    ])
    expect(system.losses).toMatchObject([{ bucket, log_id: system.log.id, table_position: 1 }])
    await log.close()
  })

  test('a writer takes the buckets of its share, and leaves them when another is to take them', async () => {
    const other = Array.from({ length: 40 }, (_, i) => `hub-${i}`).find((id) => bucketOf(id, 4) !== bucket) ?? ''
    let mine: readonly number[] = []
    let tell = () => undefined as void
    const share = {
      buckets: () => mine,
      watch: (changed: () => void) => {
        tell = changed
        return () => undefined
      },
      close: () => Promise.resolve(),
    }
    const writer = await system.openOne(undefined, { share, freshness_ms: 1 })
    const ending = new AbortController()
    const ran = writer.run(ending.signal)
    await send([reading(1, 10)])
    await send([reading(1, 20)], {}, { ...hub, source: other })
    const become = async (buckets: readonly number[], found: readonly unknown[]) => {
      mine = buckets
      tell()
      await vi.waitFor(async () => expect(await values()).toEqual(found), { timeout: 10_000 })
      expect(writer.buckets().map((one) => one.bucket)).toEqual(buckets)
    }
    await become([bucket], [[0, 10]])
    await become(
      [bucketOf(other, 4)],
      [
        [0, 10],
        [0, 20],
      ],
    )
    ending.abort()
    await ran
    expect(await system.verify()).toMatchObject({ ok: true })
  })

  test('files that were uploaded before a floor of vacuum are void, and are made again', async () => {
    await send([reading(1, 10)])
    const files: number[] = []
    const slept = await system.openOne(async () => {
      if (files.push(0) > 1) return
      const base = await system.table.snapshot()
      await system.table.commit({
        ...{ id: 'floor', kind: 'floor', base, adds: [], removes: [], info: {} },
        txns: [{ appId: 'vacuum', expected: undefined, next: base.version }],
      })
    })
    await slept.commitOnce()
    expect(system.facts.at(-1)).toMatchObject({ kind: 'retry' })
    expect(await values()).toEqual([])
    await slept.commitOnce()
    expect(await values()).toEqual([[0, 10]])
  })

  test('a log that begins after the table stops its bucket with a loss; the others go on', async () => {
    await send([reading(1, 10)])
    await system.log.trim(bucket, 2)
    const other = Array.from({ length: 40 }, (_, i) => `hub-${i}`).find((id) => bucketOf(id, 4) !== bucket) ?? ''
    await send([reading(1, 7)], {}, { ...hub, source: other })
    const writer = await system.openOne()
    expect(system.losses).toMatchObject([{ bucket, table_position: 0, log_first: 2, log_next: 2 }])
    await writer.commitOnce()
    expect(await values()).toEqual([[0, 7]])
  })

  test('lists the hours that it touched', async () => {
    const wall = Date.UTC(2026, 0, 1, 5, 30)
    await send(
      [
        reading(0, 1),
        { m: 3_600_000, kind: 'command', command: 'c', issued: wall - 7_200_000, stage: 'received', ms: 0 },
      ],
      {
        now: undefined,
        wall,
      },
    )
    await system.writer.commitOnce()
    let info: Record<string, unknown> = {}
    for await (const version of system.table.history(1)) info = version.info ?? {}
    const hour = Date.UTC(2026, 0, 1, 5)
    expect(info['touched']).toEqual({
      hours: [
        [hour, bucket],
        [hour + 3_600_000, bucket],
      ],
      issued: [[hour - 7_200_000, bucket]],
      registry: [],
    })
  })

  describe('verify', () => {
    /** Rewrites the one data file of the table by hand. */
    async function tamper(sql: string) {
      const snapshot = await system.table.snapshot()
      const [file] = [...snapshot.files.values()]
      if (!file) throw new Error('no file')
      const path = join(folder, 'lake', 'events', file.path)
      await using database = await openDuckDb()
      await rowsOf(
        database.connection,
        `CREATE TABLE t AS SELECT * FROM read_parquet('${path}', hive_partitioning = false)`,
      )
      await database.connection.run(sql)
      await database.connection.run(`COPY t TO '${path}' (FORMAT parquet)`)
    }

    test.each([
      ['removes', `DELETE FROM t WHERE seq = 1`, { rows_missing: [[1, 2]] }],
      ['doubles', `INSERT INTO t SELECT * FROM t WHERE seq = 1`, { rows_doubled: [[1, 2]] }],
      ['renumbers', `UPDATE t SET seq = 77 WHERE seq = 1`, { rows_missing: [[1, 2]], rows_unknown: [[77, 78]] }],
    ])('finds a row that somebody %s', async (_, sql, found) => {
      await send([reading(1, 10), reading(2, 11), reading(3, 12)])
      await system.writer.commitOnce()
      expect((await system.verify()).ok).toBe(true)
      await tamper(sql)
      const result = await system.verify()
      expect(result.ok).toBe(false)
      expect(result.streams).toMatchObject([{ source: 'demo-01', stream: 'readings', ...found }])
    })

    test('holds a journal against table and log', async () => {
      await send([reading(1, 10)])
      await system.writer.commitOnce()
      await send([reading(2, 11)], { first: 1 })
      const journal = (to: number) => {
        const one = { source: 'demo-01', boot: '1-1-00000001', stream: 'readings', numbers: [[0, to]] as const }
        return new Map([['x', one]])
      }
      expect(await system.verify(journal(2))).toMatchObject({ ok: true, acknowledged: { journal: 2, found: 2 } })
      expect(await system.verify(journal(3))).toMatchObject({
        ok: false,
        acknowledged: { journal: 3, found: 2, missing: [{ numbers: [[2, 3]] }] },
      })
    })
  })
})
