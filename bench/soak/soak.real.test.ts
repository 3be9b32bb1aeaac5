/** The phases of the benchmark `soak`, short: all of it arrives, within a bound of memory that no machine's noise passes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { memoryOf } from './measured.ts'
import { catchUp, type Phase, stream } from './soak.ts'

const EVENTS = 300_000
const BOUND_BYTES = 2e9
const folder = mkdtempSync(join(tmpdir(), 'hearth-soak-'))
afterAll(() => rmSync(folder, { recursive: true }))
const quiet = () => undefined

test.each<[string, () => Promise<Phase>]>([
  ['a stream', () => stream(join(folder, 'long'), { seed: 7, events: EVENTS, dates: 1 }, 'a stream', quiet)],
  ['a catch-up', () => catchUp(join(folder, 'backlog'), { seed: 7, events: EVENTS, dates: 1 }, quiet)],
  ['64 dates', () => stream(join(folder, 'dates'), { seed: 7, events: EVENTS, dates: 64 }, '64 dates', quiet)],
])('%s is all in the table, within a bound of memory', async (_, run) => {
  const { facts, samples } = await run()
  expect(facts.checksums_found).toEqual([facts.checksum_sent])
  expect(facts.events).toBeGreaterThanOrEqual(EVENTS)
  expect(memoryOf(samples).peak_bytes).toBeLessThan(BOUND_BYTES)
})
