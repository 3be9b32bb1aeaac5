import { expect, test } from 'vitest'
import type { Coverage } from './coverage.ts'
import { simulate } from './simulate.ts'

/** Enough to see that all hangs together; `npm run sim` runs hundreds. */
const SEEDS = 10

test('all promises hold in every simulated run', async () => {
  const coverage: Coverage = new Map()
  const failures: string[] = []
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = await simulate(seed, coverage)
    for (const failure of run.failures) failures.push(`npm run sim -- --seed ${seed} --trace: ${failure}`)
  }
  expect(failures).toEqual([])
  expect(coverage.size).toBeGreaterThan(40)
}, 120_000)

test('the same seed is the same run to its last step, and another one is another', async () => {
  const [first, again, other] = [
    await simulate(7, new Map()),
    await simulate(7, new Map()),
    await simulate(8, new Map()),
  ]
  expect(again.lines).toEqual(first.lines)
  expect(again.trace_hash).toBe(first.trace_hash)
  expect(other.trace_hash).not.toBe(first.trace_hash)
}, 60_000)
