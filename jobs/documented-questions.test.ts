/** What docs/tables.md says how to ask answers what the metrics say. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openQuery } from '../lake/query.ts'
import { HOUR_MS } from './limits.ts'
import { command, enrolled, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 24, 3)

test('a percentile from histograms is the one that fleet_hours has, in each hour', async () => {
  const text = readFileSync(new URL('../docs/tables.md', import.meta.url), 'utf8')
  const [, documented = ''] = /```sql\n(WITH merged AS[\s\S]*?)```/.exec(text) ?? []
  await using history = await openHistory(T0 + 2 * HOUR_MS + 5 * 60_000)
  const commands = Array.from({ length: 110 }, (_, i) =>
    command(`demo-0${i % 2}`, `c-${i}`, T0 + i * 60_000, [
      ['issued', 0],
      ['sent', 1],
      ['acked', 5 + ((i * i) % 97)],
      ['done', 105],
    ]),
  )
  await history.add([enrolled('demo-00', T0), enrolled('demo-01', T0), ...commands.flat()])
  await history.jobs.run()
  await using query = await openQuery({ lake: history.lake, clock: history.clock, threads: 1 })
  const { rows: hours } = await query.run(
    `SELECT CAST(hour AS VARCHAR), firmware, issued_to_acked_p99_ms FROM fleet_hours
     WHERE issued_to_acked_p99_ms IS NOT NULL AND firmware <> '*' ORDER BY ALL`,
  )
  expect(hours.length).toBeGreaterThan(1)
  for (const [hour, firmware, p99_ms] of hours) {
    const of = documented
      .replace(
        "hour >= TIMESTAMPTZ '2026-11-24 00:00Z'",
        `hour = TIMESTAMPTZ '${typeof hour === 'string' ? hour : ''}'`,
      )
      .replace("'tap_to_light'", "'issued_to_acked'")
    expect(of).toMatch(/hour = .*issued_to_acked|issued_to_acked.*hour = /)
    const { rows } = await query.run(of)
    const found = rows.find(([name]) => name === firmware)
    expect(Number(found?.[1])).toBeCloseTo(Number(p99_ms), 6)
  }
})
