/** A signal ends what people ask of the jobs, at whichever moment it comes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS } from '../jobs/limits.ts'
import { connected, enrolled, type History, openHistory } from '../jobs/testing/history.ts'
import { machineClock as clock } from './machine.ts'
import { cpuOf_s, openSystem, type System, until } from './testing/system.ts'

const LIMIT_MS = 60_000
const HOURS = 24 * 30
let history: History
let system: System

beforeAll(async () => {
  const now_ms = clock.now()
  const from_ms = now_ms - (now_ms % HOUR_MS) - HOURS * HOUR_MS
  history = await openHistory(now_ms)
  await history.add(
    ['demo-01', 'demo-02', 'demo-03'].flatMap((hub) => [enrolled(hub, from_ms), ...connected(hub, from_ms, now_ms)]),
  )
  system = await openSystem({ HEARTH_HOME: history.folder, HEARTH_FLEET: 'test' })
})
afterAll(async () => {
  await system[Symbol.asyncDispose]()
  await history[Symbol.asyncDispose]()
})

test.each([
  ['plan', 'SIGINT', 1],
  ['plan', 'SIGTERM', 2],
  ['run', 'SIGINT', 1],
  ['run', 'SIGTERM', 2],
  ['backfill --from 2020-01-01 --to 2100-01-01', 'SIGINT', 1],
] as const)('jobs %s that %s ends after %d s of work says so in a line', async (words, signal, worked_s) => {
  const asked = system.start(['jobs', ...words.split(' ')])
  await until('it works', LIMIT_MS, () => cpuOf_s(asked.pid) >= worked_s)
  asked.signal(signal)
  expect(await asked.ended).toEqual({ code: 130, signal: null })
  expect(asked.said()).toBe('hearth: stopped; what was not committed is due again\n')
})
