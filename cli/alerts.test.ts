import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { createLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { receiversOf, runAlerts } from './alerts.ts'
import { configSchema } from './config.ts'
import { openLog } from './log.ts'
import { until } from './testing/system.ts'

const LIMIT_MS = 20_000

test.each([
  ['each minute, though the jobs look once an hour', 3_600_000, 60_000],
  ['as often as the jobs look', 10_000, 10_000],
])('objectives are judged %s', async (_, interval_ms, expected_ms) => {
  const clock = new ManualClock()
  const random = seededRandom(1)
  const lake = await createLake({
    ...{ store: openMemoryStore({ clock }), clock, random, fleet: 'f', region: 'r', buckets: 1 },
  })
  const home = mkdtempSync(join(tmpdir(), 'hearth-alerts-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const config = configSchema.parse({ jobs: { interval_ms } })
  const log = openLog({ process: 'jobs', level: 'info', clock, write: () => undefined })
  const ending = new AbortController()
  const { signal } = ending
  const context = { home, config, clock, random, print: () => undefined, note: () => undefined, signal }
  const running = runAlerts(context, { lake, log, metrics: new Registry(), receivers: [], signal })
  for (const times of [1, 2]) {
    await until('it waits', LIMIT_MS, () => clock.nextTimer_ms() === times * expected_ms)
    await clock.advance(expected_ms)
  }
  ending.abort()
  await running
})

test('a secret that cannot be read is told by the name of its setting', () => {
  const alerts = { webhook_url: 'http://here/', webhook_secret_file: '/nowhere/secret' }
  const context = { clock: new ManualClock(), random: seededRandom(1), config: configSchema.parse({ alerts }) }
  expect(() => receiversOf(context)).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: expect.stringContaining('alerts.webhook_secret_file: ENOENT'),
    }),
  )
})
