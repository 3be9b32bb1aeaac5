import { expect, test } from 'vitest'
import { batches, describeWorkload, WORKLOAD_L, type WorkloadBatch } from './workload.ts'

function first(count: number, seed: number): WorkloadBatch[] {
  return [...batches(WORKLOAD_L, { seed, wall_ms: 1_764_000_000_000 }).take(count)]
}

test('looks like what hubs send: line length and compression are within the stated bounds', () => {
  const { bytes_a_line, ratio } = describeWorkload(first(300, 1))
  expect(bytes_a_line).toBeGreaterThan(140)
  expect(bytes_a_line).toBeLessThan(160)
  expect(ratio).toBeGreaterThan(6)
  expect(ratio).toBeLessThan(12)
})

test('is the same from the same seed', () => {
  expect(first(5, 7)).toEqual(first(5, 7))
  expect(first(5, 7)).not.toEqual(first(5, 8))
})
