/** A story that Spark and DuckDB make the same of. */
import { expect } from 'vitest'
import { seededRandom } from '../../sim/clock.ts'
import { catalogue } from '../catalogue.ts'
import { HOUR_MS } from '../limits.ts'
import { command, type History, openHistory, type Row } from './history.ts'
import { tellStory } from './story.ts'

export const STORY_BEGINS_MS = Date.UTC(2026, 10, 20, 22)
const T0 = STORY_BEGINS_MS

/** Commands of both hubs whose durations have all the digits that there are. */
function commands(until_ms: number): readonly Row[] {
  const { float } = seededRandom(3)
  return Array.from({ length: 300 }, (_, i) => {
    const sent_ms = float() * 3
    const hub_ms = 10 ** (float() * 4)
    const acked_ms = sent_ms + hub_ms + float() * 200
    const issued_ms = T0 + Math.floor(float() * (until_ms - T0 - 60_000))
    return command(`demo-0${1 + (i % 2)}`, `c${i}`, issued_ms, [
      ['issued', 0],
      ['routed', float()],
      ['sent', sent_ms],
      ['executed', hub_ms, true],
      ['acked', acked_ms],
      [acked_ms < 5000 ? 'done' : 'late', acked_ms],
    ])
  }).flat()
}

/** So many hours of it, with all metrics made, or those of these names. */
export async function told(
  hours: number,
  more: Parameters<typeof openHistory>[3],
  names?: readonly string[],
): Promise<History> {
  const metrics = catalogue().filter(({ name }) => names?.includes(name) ?? true)
  const history = await openHistory(T0, 1, metrics, more)
  const now_ms = T0 + (hours + 0.1) * HOUR_MS
  await history.add([...tellStory(1, T0), ...commands(now_ms)].filter(({ event_time }) => event_time < now_ms))
  await history.clock.advance(now_ms - T0)
  await history.jobs.run()
  return history
}

/** Of each cell of a metric: what its file's tags say of its hours. */
async function ledger({ lake }: History, metric: string): Promise<unknown> {
  const { files } = await (await lake.table(metric)).snapshot()
  return [...files.values()]
    .map(({ tags }) => tags)
    .sort((a, b) => String(a?.['unit']).localeCompare(String(b?.['unit'])))
}

/** Rows and ledgers of these metrics. */
export async function expectEqual(ours: History, theirs: History, metrics: readonly string[]): Promise<void> {
  for (const metric of metrics) {
    const rows = await ours.rows(metric)
    expect(rows.length, metric).toBeGreaterThan(0)
    expect(await theirs.rows(metric), metric).toEqual(rows)
    expect(await ledger(theirs, metric), metric).toEqual(await ledger(ours, metric))
  }
}
