import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { HOUR_MS } from './limits.ts'
import {
  alive,
  batch,
  command,
  connection,
  enrolled,
  health,
  METRIC_NAMES,
  openHistory,
  type Row,
} from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

/** A history of two hubs with crash loops, relay restarts, take-overs, gaps and repeats, from a seed. */
function story(seed: number): Row[] {
  const { float } = seededRandom(seed)
  const at = () => T0 + Math.floor(float() * 4 * HOUR_MS)
  const rows: Row[] = []
  for (const hub of ['demo-01', 'demo-02']) {
    rows.push(enrolled(hub, T0 + Math.floor(float() * HOUR_MS)))
    for (let i = 1; i <= 5; i++) {
      const time = at()
      rows.push(connection(hub, 'connected', time, `1.1.${i}`))
      if (float() < 0.5) {
        rows.push(
          connection(hub, 'disconnected', time + Math.floor(float() * 2 * HOUR_MS), `1.1.${i}`, {
            planned: String(float() < 0.3),
          }),
        )
      }
      rows.push(
        health(hub, at(), `1-${i}-0000000${i}`, float() < 0.5 ? '4.2.1' : '4.3.0', float() < 0.3 ? 'crash' : 'health'),
      )
      rows.push(batch(hub, at(), Math.floor(float() * 50), Math.floor(float() * 20)))
      rows.push(
        ...command(hub, `${hub}-${i}`, at(), [
          ['issued', 0],
          [float() < 0.5 ? 'done' : 'expired', 5],
        ]),
      )
    }
    const silent = at()
    rows.push(...alive(hub, T0, silent), ...alive(hub, silent + HOUR_MS, T0 + 4 * HOUR_MS, '1-2-dddddddd'))
  }
  return rows
}

test.each([1, 2])(
  'coming late and in any order, events of seed %i make what they make at once',
  async (seed) => {
    const { float } = seededRandom(seed + 100)
    await using history = await openHistory(T0 + 4 * HOUR_MS + 5 * 60_000)
    const parts: Row[][] = [[], [], []]
    for (const row of story(seed)) parts[Math.floor(float() * 3)]?.push(row)
    for (const part of parts) {
      await history.add(part)
      await history.jobs.run()
    }
    expect(await history.jobs.plan()).toEqual([])
    await using other = await history.anew()
    for (const metric of METRIC_NAMES) expect(await history.rows(metric), metric).toEqual(await other.rows(metric))
  },
  60_000,
)
