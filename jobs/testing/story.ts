import { bucketOf } from '../../contract/bucket.ts'
import { seededRandom } from '../../sim/clock.ts'
import { HOUR_MS } from '../limits.ts'
import { alive, BUCKETS, batch, command, connection, enrolled, health, type Row } from './history.ts'

const MINUTE_MS = 60_000
/** Hours that a story lasts, over a midnight. */
export const STORY_HOURS = 4

/** A hub in a bucket of its own. */
const QUIET =
  ['demo-03', 'demo-04', 'demo-05', 'demo-06'].find((hub) => bucketOf(hub, BUCKETS) !== bucketOf('demo-01', BUCKETS)) ??
  'none'

/**
 * A history of a few hubs from a seed, with all that crosses hours: sessions, crash loops, relays that fall silent and run
 * anew, take-overs, gaps and repeats of batches, boots that close earlier ones, commands whose stages come hours after
 * their issue, and a registry that changes its mind about the past. Rows in order of their times.
 */
export function tellStory(seed: number, start_ms: number): readonly Row[] {
  const { float } = seededRandom(seed)
  const end_ms = start_ms + STORY_HOURS * HOUR_MS
  const at = (hours = STORY_HOURS) => start_ms + Math.floor(float() * hours * HOUR_MS)
  const rows: Row[] = []
  for (const hub of ['demo-01', 'demo-02']) {
    const enrolled_ms = start_ms + Math.floor(float() * HOUR_MS)
    rows.push(enrolled(hub, enrolled_ms))
    // Told at some time, true from another: what was made of the hours in between is made anew.
    const from_ms = at()
    const maintenance = JSON.stringify([{ from_ms, to_ms: from_ms + 40 * MINUTE_MS }])
    const change = enrolled(hub, from_ms, { enrolled_ms: String(enrolled_ms), maintenance })
    rows.push({ ...change, event_time: Math.max(from_ms, at()), seq: 1 })
    for (let i = 1; i <= 5; i++) {
      const time = at()
      rows.push(connection(hub, 'connected', time, `1.1.${i}`))
      if (float() < 0.5) {
        const away_ms = Math.min(time + Math.floor(float() * 2 * HOUR_MS), end_ms - 1)
        rows.push(connection(hub, 'disconnected', away_ms, `1.1.${i}`, { planned: String(float() < 0.3) }))
      }
      const firmware = float() < 0.5 ? '4.2.1' : '4.3.0'
      rows.push(health(hub, at(), `1-${i}-0000000${i}`, firmware, float() < 0.3 ? 'crash' : 'health'))
      rows.push(batch(hub, at(), Math.floor(float() * 50), Math.floor(float() * 20)))
      const id = `${hub}-${i}`
      const expires: [string, number] = [float() < 0.5 ? 'done' : 'expired', 5]
      // In the first half alone: what a command touches must not hide what nothing else touches.
      rows.push(...command(hub, id, at(2), [['issued', 0], ['sent', 1], expires]))
      // The hub's own word, up to two hours after.
      const issued_ms = at(2)
      const later_ms = Math.floor(float() * Math.min(2 * HOUR_MS, end_ms - 1 - issued_ms))
      rows.push(
        ...command(hub, `${id}-later`, issued_ms, [
          ['issued', 0],
          ['expired', 5],
          ['executed', later_ms, true],
        ]),
      )
    }
    const previous = [{ boot: '1-1-bbbbbbbb', next: 60, acked: 40, dropped: [[20, 25]], held: float() < 0.5 }]
    rows.push(
      batch(hub, at(), 0, 5, {
        boot_id: '1-2-cccccccc',
        batch_duplicates: 2,
        batch_dropped: JSON.stringify({ dropped: [], previous }),
      }),
    )
    // The relay falls silent; that others were heard 20 minutes later decides what it was within that hour.
    const silent_ms = start_ms + Math.floor(float() * STORY_HOURS) * HOUR_MS + (10 + float() * 20) * MINUTE_MS
    rows.push(
      batch(hub, Math.floor(silent_ms + 20 * MINUTE_MS), 60, 5),
      ...alive(hub, start_ms, silent_ms),
      ...alive(hub, silent_ms + HOUR_MS, end_ms, '1-2-dddddddd'),
    )
  }
  // Held by a relay that falls silent in hour 2; only a batch tells whether ingest was well, and nothing else is said then.
  // In hour 1 it crashed: that moves its own hour, and no session or command does.
  rows.push(
    enrolled(QUIET, start_ms),
    connection(QUIET, 'connected', start_ms + MINUTE_MS, '1.1.1'),
    ...alive(QUIET, start_ms, start_ms + 135 * MINUTE_MS),
    health(QUIET, start_ms + 70 * MINUTE_MS, '1-1-bbbbbbbb', '4.2.1', 'crash'),
    batch(QUIET, start_ms + 155 * MINUTE_MS, 0, 5),
    ...alive(QUIET, start_ms + 200 * MINUTE_MS, end_ms, '1-2-dddddddd'),
  )
  return rows
    .map((row) => ({ ...row, event_time: Math.floor(row.event_time) }))
    .sort((a, b) => a.event_time - b.event_time)
}

/**
 * The rows of a story in the parts in which they come, each part by the run that makes it. Signs of life are in time; of
 * the rest about half is late. A batch belongs to the hour of its receipt, so that it is late only where `writer_lags`.
 */
export function inParts(
  rows: readonly Row[],
  runs_ms: readonly number[],
  seed: number,
  writer_lags: boolean,
): readonly (readonly Row[])[] {
  const { float } = seededRandom(seed)
  const parts = runs_ms.map((): Row[] => [])
  for (const row of rows) {
    const first = runs_ms.findIndex((run_ms) => row.event_time < run_ms)
    const quiet = row.hub_id === QUIET
    const mayBeLate =
      row.kind === 'batch' ? writer_lags : row.kind !== 'alive' && (!quiet || (row.kind === 'crash' && !writer_lags))
    const late = mayBeLate && (quiet || float() < 0.5)
    // What the quiet hub says late, as late as can be, when all around it was long made.
    const after = !late ? 0 : quiet ? runs_ms.length - 1 - first : Math.floor(float() * (runs_ms.length - first))
    parts[first + after]?.push(row)
  }
  return parts
}
