import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { deadLetters, replay } from './dead-letters.ts'
import { markErased } from './erase.ts'
import { sourceKey } from './ranges-form.ts'
import { rangesKey } from './ranges-store.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const again: Identity = { ...hub, generation: 2 }
const relay: Identity = { source: 'relay-0', role: 'service', generation: 1 }
const registry: Identity = { source: 'registry', role: 'service', generation: 1 }
const bucket = bucketOf('demo-01', 4)
const stream = `e1b0${bucket}`
/** Another hub of the same bucket. */
const neighbour = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].find((id) => bucketOf(id, 4) === bucket) ?? ''

describe('of an erased hub', () => {
  let folder: string
  let system: System
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-erase-'))
    system = await openSystem(folder)
  })
  afterEach(async () => {
    await system.close()
    await rm(folder, { recursive: true })
  })
  const receive = async (events: readonly (object | string)[], change: object = {}, identity = hub) => {
    expect(await system.gateway.receive(identity, packed(batchOf(events, change)), 'https')).toEqual({
      kind: 'durable',
    })
  }
  const mark = async () => {
    await markErased(system.table, sourceKey(await rangesKey(system.store, random), 'demo-01'), 1, random)
  }
  const drain = async () => {
    while (await system.writer.commitOnce()) continue
  }
  const stored = async () =>
    (await system.rows(`SELECT kind || ' ' || coalesce(hub_id, '') AS what FROM events ORDER BY ALL`)).map(
      (row) => row['what'],
    )

  test('nothing is stored after the mark, and it is known as received all the same', async () => {
    await mark()
    await receive([reading(1, 10), 'no json'])
    await receive([reading(1, 10), 'no json'])
    await receive([reading(1, 1)], {}, { ...hub, source: neighbour })
    await drain()
    expect(await stored()).toEqual([`batch ${neighbour}`, `reading ${neighbour}`])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 3, stored: 3, gone: 2 } })
    // The table read anew says the same.
    const other = await system.openOne()
    expect(other.ranges(bucket)).toEqual(system.writer.ranges(bucket))
  })

  test('what services tell of it is not stored, and the rest of their batches is', async () => {
    await mark()
    const connection = (id: string) => ({ m: 1, kind: 'connection', hub: id, stage: 'connected' })
    await receive(
      [connection(neighbour), connection('demo-01'), '{"hub":"demo-01"}', connection(neighbour)],
      { stream },
      relay,
    )
    await drain()
    expect(await stored()).toEqual(['batch ', `connection ${neighbour}`, `connection ${neighbour}`])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 4, stored: 4, dead: 0, gone: 2 } })
  })

  test('a dead line of a service is not stored either, be it the only one about it', async () => {
    await mark()
    await receive(['{"hub":"demo-01"}', { m: 1, kind: 'connection', hub: neighbour }], { stream }, relay)
    await drain()
    expect(await stored()).toEqual(['batch ', `connection ${neighbour}`])
  })

  test('an attempt that was gathered before the mark is made anew without it', async () => {
    await receive([reading(1, 10)])
    let marked = false
    const writer = await system.openOne(async () => {
      if (!marked) await mark()
      marked = true
    })
    await writer.commitOnce()
    expect(system.facts).toContainEqual(expect.objectContaining({ kind: 'retry', cause: 'conflict' }))
    await writer.commitOnce()
    expect(await stored()).toEqual([])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 1, gone: 1 } })
  })

  test('a replay of one of its dead letters stores nothing', async () => {
    await receive(['no json'])
    await drain()
    const { lake, local, log } = system
    const [letter] = await deadLetters({ lake, local, scratch_folder: folder }, { source: 'demo-01', limit: 1 })
    if (!letter) throw new Error('no dead letter')
    await mark()
    await replay(log, letter, JSON.stringify(reading(1, 10)))
    await drain()
    expect(await stored()).toEqual(['batch demo-01', 'dead demo-01'])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 1, dead: 0 } })
  })

  test('a generation enrolled later is stored, with what services tell from then on; old boots are not', async () => {
    await mark()
    const valid_from_ms = clock.now() - 30_000
    const enrolled = { m: 1, kind: 'registry', hub: 'demo-01', stage: 'enrolled', generation: 2, valid_from_ms }
    const connected = { kind: 'connection', hub: 'demo-01', stage: 'connected' }
    await receive([enrolled], { stream, now: 1 }, registry)
    // 40 s and 20 s ago.
    await receive(
      [
        { ...connected, m: 20_000 },
        { ...connected, m: 40_000 },
      ],
      { stream },
      relay,
    )
    await receive([reading(1, 10)], { boot: '2-1-00000001' }, again)
    await receive([reading(1, 10)], { boot: '1-7-00000001' }, again)
    await drain()
    const mine = ['batch demo-01', 'connection demo-01', 'reading demo-01', 'registry demo-01']
    expect((await stored()).filter((what) => what !== 'batch ')).toEqual(mine)
    // It is the table that remembers since when.
    await receive(
      [
        { ...connected, m: 20_000 },
        { ...connected, m: 41_000 },
      ],
      { stream, first: 2 },
      relay,
    )
    await drain()
    expect((await stored()).filter((what) => what === 'connection demo-01')).toHaveLength(2)
    expect(await system.verify()).toMatchObject({ ok: true, totals: { gone: 3 } })
  })
})
