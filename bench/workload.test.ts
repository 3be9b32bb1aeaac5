import { expect, test } from 'vitest'
import { codecOf } from '../contract/batch.ts'
import { inflate, readPayload } from '../ingest/payload.ts'
import { batches, factsOf, WORKLOAD_B, WORKLOAD_L, WORKLOAD_S, type WorkloadBatch } from './workload.ts'

function first(count: number, seed: number): WorkloadBatch[] {
  return [...batches(WORKLOAD_L, { seed, wall_ms: 1_764_000_000_000 }).take(count)]
}

test('looks like what hubs send: line length and compression are within the stated bounds', () => {
  const { bytes_a_line, zstd3_ratio: ratio } = factsOf(WORKLOAD_L, 1, first(300, 1))
  expect(bytes_a_line).toBeGreaterThan(140)
  expect(bytes_a_line).toBeLessThan(160)
  expect(ratio).toBeGreaterThan(6)
  expect(ratio).toBeLessThan(12)
})

test('has the same lines in small batches, which pack less well: each frame begins with nothing', () => {
  const { bytes_a_line, zstd3_ratio } = factsOf(WORKLOAD_S, 1, [
    ...batches(WORKLOAD_S, { seed: 1, wall_ms: 1_764_000_000_000 }).take(300),
  ])
  expect(bytes_a_line).toBeLessThan(165)
  expect(zstd3_ratio).toBeGreaterThan(3)
  expect(zstd3_ratio).toBeLessThan(6)
})

test('tells a checksum that counts each event once, also where its batch is resent', () => {
  const made = first(40, 3)
  const resent = made.slice(0, 1).map((batch) => ({ ...batch, resent: true }))
  expect(factsOf(WORKLOAD_L, 3, [...made, ...resent]).checksum_sent).toBe(factsOf(WORKLOAD_L, 3, made).checksum_sent)
})

test('is the same from the same seed', () => {
  expect(first(5, 7)).toEqual(first(5, 7))
  expect(first(5, 7)).not.toEqual(first(5, 8))
})

test('has a backlog of two days, its last event just before the source comes back', async () => {
  const few = { ...WORKLOAD_B, sources: 1 }
  const ages_h: number[] = []
  for (const { bytes, resent } of batches(few, { seed: 2, wall_ms: 0 }).take(4)) {
    const { header, lines } = readPayload(await inflate(bytes, codecOf(bytes)))
    const m = Number(/"m":(\d+),/.exec(lines.toString())?.[1])
    if (!resent) ages_h.push(((header.now ?? 0) - m) / 3_600_000)
  }
  expect(Math.max(...ages_h)).toBeGreaterThan(46)
  expect(Math.min(...ages_h)).toBeLessThan(14)
})
