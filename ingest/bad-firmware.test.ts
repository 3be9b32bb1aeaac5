/** Hubs whose firmware or clock is wrong: what they send is kept once, accounted for, and harms nobody else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Identity } from '../contract/source.ts'
import { ManualClock } from '../sim/clock.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const YEAR_MS = 365 * 86_400_000
const DAY_MS = 86_400_000
const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
let folder: string
let clock: ManualClock
let system: System

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-firmware-'))
  clock = new ManualClock()
  system = await openSystem(folder, clock)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

async function send(events: readonly (object | string)[], change: object = {}, identity = hub): Promise<void> {
  const answer = await system.gateway.receive(identity, packed(batchOf(events, change)), 'https')
  expect(answer.kind).toBe('durable')
}
async function written(): Promise<void> {
  while (await system.writer.commitOnce()) continue
}
const values = async () =>
  (await system.rows(`SELECT seq, value FROM events WHERE kind = 'reading' ORDER BY seq`)).map(({ seq, value }) => [
    Number(seq),
    value,
  ])

describe('a firmware', () => {
  test('that uses numbers again for other events: the first are stored, the others counted and told by their crc', async () => {
    await send([reading(1, 10), reading(2, 11)])
    await written()
    await send([reading(3, 90), reading(4, 91)])
    await written()
    expect(await values()).toEqual([
      [0, 10],
      [1, 11],
    ])
    const batches = await system.rows(
      `SELECT batch_first, batch_duplicates, batch_crc FROM events WHERE kind = 'batch' ORDER BY log_position`,
    )
    expect(batches).toMatchObject([{ batch_duplicates: '0' }, { batch_first: '0', batch_duplicates: '2' }])
    expect(batches[0]?.['batch_crc']).not.toBe(batches[1]?.['batch_crc'])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 2, stored: 2, duplicates: 2 } })
  })

  test('that counts backwards: each event is stored once, under its number', async () => {
    for (const first of [6, 4, 2, 0]) {
      await send([reading(1, first), reading(2, first + 1)], { first })
      await written()
    }
    expect(await values()).toEqual(Array.from({ length: 8 }, (_, seq) => [seq, seq]))
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 8, stored: 8, pending: 0 } })
  })

  test('that jumps by 2^40: what it left out is pending, nothing else is held up', async () => {
    const far = 2 ** 40
    await send([reading(1, 10)])
    await send([reading(2, 11)], { first: far })
    await send([reading(1, 12)], {}, { ...hub, source: 'demo-02' })
    await written()
    expect(await values()).toEqual([
      [0, 10],
      [0, 12],
      [far, 11],
    ])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: far + 2, stored: 3, pending: far - 1 } })
  })

  test('that is refused at the last number that counts exactly uses up none, and writers go on', async () => {
    const bad = packed(batchOf([reading(1, 10)], { first: Number.MAX_SAFE_INTEGER }))
    expect(await system.gateway.receive(hub, bad, 'https')).toMatchObject({ kind: 'refused' })
    await written()
    const again = await system.openOne()
    await send([reading(1, 11)])
    while (await again.commitOnce()) continue
    expect(await values()).toEqual([[0, 11]])
    expect(await system.rows(`SELECT boot_id, batch_first FROM events WHERE kind = 'dead'`)).toMatchObject([
      { boot_id: null, batch_first: null },
    ])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 1, stored: 1, dead: 0 } })
  })

  test('that sends batches of no events for ever adds a row each, and no ranges', async () => {
    await send([reading(1, 10)])
    for (let i = 0; i < 200; i++) await send([], { first: 1, next: 1, acked: 1 })
    await written()
    expect(await values()).toEqual([[0, 10]])
    const streams = system.writer.buckets().flatMap(({ bucket }) => [...system.writer.ranges(bucket).values()])
    expect(streams.flatMap(({ boots }) => [...boots.values()])).toHaveLength(1)
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 1, stored: 1, duplicates: 0 } })
  })
})

describe('a clock', () => {
  const times = async () =>
    (
      await system.rows(
        `SELECT seq, time_source, epoch_ms(event_time) - epoch_ms(received_time) AS off, CAST(event_date AS VARCHAR) AS date FROM events WHERE kind = 'reading' ORDER BY ALL`,
      )
    ).map(({ time_source, off, date }) => [time_source, Number(off), date])
  const today = () => new Date(clock.now()).toISOString().slice(0, 10)

  test.each([
    ['a year behind', -YEAR_MS],
    ['a year ahead', YEAR_MS],
    ['in the year 9999', 253_402_300_799_000 - 1_764_000_000_000],
  ])('that is %s changes nothing while the boot runs: only differences on the hub count', async (_, off_ms) => {
    await send([reading(59_000, 1)], { wall: clock.now() + off_ms })
    await written()
    expect(await times()).toEqual([['monotonic', -1_000, today()]])
  })

  test('that drifts by a percent is wrong by a percent of how long ago it was, and no more', async () => {
    // An hour ago by the hub, whose clock runs 1 % fast; told with the next connection.
    await send([reading(0, 1)], { now: 3_636_000 })
    await written()
    expect(await times()).toEqual([
      ['monotonic', -3_636_000, new Date(clock.now() - 3_636_000).toISOString().slice(0, 10)],
    ])
  })

  test.each([
    ['a year and a half behind', -1.5 * YEAR_MS],
    ['ahead by more than ten minutes', 601_000],
    ['in the year 9999', 253_402_300_799_000 - 1_764_000_000_000],
    ['before 1970', -Number.MAX_SAFE_INTEGER / 2],
  ])('of a boot that is over and %s is not believed: the time of receipt stands in', async (_, off_ms) => {
    await send([reading(0, 1)], { now: undefined, wall: Math.round(clock.now() + off_ms) })
    await written()
    expect(await times()).toEqual([['received', 0, today()]])
  })

  test('of a boot that is over and plausible is believed, also over the hour that daylight saving takes or gives', async () => {
    // The last Sunday of March and of October, of any zone: times are UTC, and none of their hours is there twice or not at all.
    for (const [i, wall] of [
      '2026-03-29T00:59:59Z',
      '2026-03-29T01:00:01Z',
      '2025-10-26T00:59:59Z',
      '2025-10-26T01:00:01Z',
    ].entries()) {
      const at_ms = Date.parse(wall)
      await clock.advance(Math.max(0, at_ms + DAY_MS - clock.now()))
      await send([reading(0, i)], { first: i, now: undefined, wall: at_ms })
    }
    await written()
    const rows = await system.rows(
      `SELECT strftime(event_time, '%Y-%m-%dT%H:%M:%SZ') AS at, time_source FROM events WHERE kind = 'reading' ORDER BY seq`,
    )
    expect(rows).toEqual([
      { at: '2026-03-29T00:59:59Z', time_source: 'wall' },
      { at: '2026-03-29T01:00:01Z', time_source: 'wall' },
      { at: '2025-10-26T00:59:59Z', time_source: 'wall' },
      { at: '2025-10-26T01:00:01Z', time_source: 'wall' },
    ])
  })
})
