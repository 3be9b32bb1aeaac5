import { describe, expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import type { BucketState } from '../ingest/writer.ts'
import { ManualClock } from '../sim/clock.ts'
import { gatewayHealth } from './gateway-health.ts'
import { APPEND_FAILURE_COUNTS_MS, CLOCK_BACK_MAX_MS } from './limits.ts'

const running: BucketState = { bucket: 2, position: 7, stopped: undefined }

function open(change: { newest_ms?: number; buckets?: readonly BucketState[]; draining?: boolean } = {}) {
  const clock = new ManualClock()
  const { newest_ms = 0, buckets = [running], draining = false } = change
  return { clock, health: gatewayHealth({ clock, newest_ms, buckets: () => buckets, draining: () => draining }) }
}

const refuse = (kind: 'unavailable' | 'limit') => () => Promise.reject(new Problem(kind, 'the disk is full'))

describe('a gateway', () => {
  test('is ready while nothing is wrong', async () => {
    const { health } = open()
    await expect(health.watch(() => Promise.resolve('durable'))).resolves.toBe('durable')
    expect(health.reasons()).toEqual([])
  })

  test('is not while its log takes no batches, until one was taken again or a while has passed', async () => {
    const { clock, health } = open()
    await expect(health.watch(refuse('unavailable'))).rejects.toThrow('the disk is full')
    expect(health.reasons()).toEqual(['the event log takes no batches: the disk is full'])
    await health.watch(() => Promise.resolve())
    expect(health.reasons()).toEqual([])
    await expect(health.watch(refuse('unavailable'))).rejects.toThrow('the disk is full')
    await clock.advance(APPEND_FAILURE_COUNTS_MS)
    expect(health.reasons()).toEqual([])
  })

  test('is ready when it only has no room: its senders are slowed', async () => {
    const { health } = open()
    await expect(health.watch(refuse('limit'))).rejects.toThrow('the disk is full')
    expect(health.reasons()).toEqual([])
  })

  test('is not with a stopped bucket, and says which and why', () => {
    const { health } = open({ buckets: [running, { bucket: 3, position: 1, stopped: 'the log was restored' }] })
    expect(health.reasons()).toEqual(['bucket 3 is stopped: the log was restored'])
  })

  test('is not when its clock is behind what the log holds, or went back', async () => {
    const { clock, health } = open()
    await health.watch(() => Promise.resolve())
    clock.jump(-CLOCK_BACK_MAX_MS)
    expect(health.reasons()).toEqual([])
    clock.jump(-1)
    expect(health.reasons()).toEqual([expect.stringContaining('1.0 s behind')])
    const late = open({ newest_ms: Date.UTC(2026, 10, 24, 12, 1) })
    expect(late.health.reasons()).toEqual([expect.stringContaining('60.0 s behind')])
  })

  test('is not while it drains', () => {
    expect(open({ draining: true }).health.reasons()).toEqual(['the gateway is draining'])
  })
})
