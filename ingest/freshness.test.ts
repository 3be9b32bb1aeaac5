import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Identity } from '../contract/source.ts'
import { ManualClock } from '../sim/clock.ts'
import { FRESHNESS_MS, QUIET_FRESHNESS_TIMES } from './limits.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const QUIET_MS = QUIET_FRESHNESS_TIMES * FRESHNESS_MS
const health = { m: 1, kind: 'health', uptime_ms: 1, queue: 0 }

describe('the writer waits', () => {
  let folder: string
  let system: System
  let clock: ManualClock
  let end: AbortController
  let running: Promise<void>
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-freshness-'))
    clock = new ManualClock()
    system = await openSystem(folder, clock)
    end = new AbortController()
    running = system.writer.run(end.signal)
  })
  afterEach(async () => {
    end.abort()
    await running
    await system.close()
    await rm(folder, { recursive: true })
  })

  let next = 0
  /** Sends one event, and resolves when the writer has it. */
  const send = async (event: object) => {
    const before = system.taken.length
    const change = { stream: 'control', first: next++ }
    expect(await system.gateway.receive(hub, packed(batchOf([event], change)), 'https')).toEqual({ kind: 'durable' })
    await vi.waitFor(() => expect(system.taken.length).toBe(before + 1), 10_000)
  }
  /** When the gathering ended, ms of the manual clock. */
  const ended = () => vi.waitFor(() => expect(system.finished).toHaveLength(1), 10_000).then(() => system.finished[0])

  test('six times as long with signs of life alone', async () => {
    await send(health)
    await clock.advance(QUIET_MS / 2)
    await send(health)
    await clock.advance(QUIET_MS / 2 - 1)
    await clock.advance(1)
    expect(await ended()).toBe(QUIET_MS)
  })

  test('no longer than the freshness limit with anything else', async () => {
    await send(reading(1, 21))
    await clock.advance(FRESHNESS_MS)
    expect(await ended()).toBe(FRESHNESS_MS)
  })

  test('no longer than that from where something else came among signs of life', async () => {
    await send(health)
    await clock.advance(QUIET_MS / 2)
    await send(reading(1, 21))
    await clock.advance(FRESHNESS_MS)
    expect(await ended()).toBe(QUIET_MS / 2 + FRESHNESS_MS)
  })
})
