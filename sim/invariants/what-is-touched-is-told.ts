import type { Touched } from '../../contract/touched.ts'
import type { Invariant } from '../evidence.ts'
import { decodeRows, type Row } from '../row-encoder.ts'

const HOUR_US = 3_600_000_000

/** An ingest commit tells which hours its rows are of, no more and no less: jobs know from it what is due again. */
export const whatIsTouchedIsTold: Invariant = {
  name: 'what is touched is told',
  check: ({ archive }) =>
    archive.entries.flatMap(({ commit: { version, info, adds } }) => {
      if (info?.hearth?.kind !== 'ingest') return []
      const touched = touchedBy(adds.flatMap(({ path }) => decodeRows(archive.read(`events/${path}`))))
      const [told, found] = [info.hearth['touched'], touched].map((one) => JSON.stringify(one))
      return told === found ? [] : [`version ${version} tells of ${told}, and its rows are of ${found}`]
    }),
}

function touchedBy(rows: readonly Row[]): Touched {
  const events = rows.filter(({ kind }) => kind !== 'batch' && kind !== 'dead')
  const from = events.filter(({ kind }) => kind === 'registry').map((row) => [row.bucket, validFrom(row)] as const)
  return {
    hours: hoursOf(events, 'event_time'),
    issued: hoursOf(
      events.filter(({ kind }) => kind === 'command'),
      'issued_time',
    ),
    registry: [...Map.groupBy(from, ([bucket]) => bucket)]
      .map(([bucket, all]): [number, number] => [bucket, Math.min(...all.map(([, ms]) => ms))])
      .sort(([a], [b]) => a - b),
  }
}

/** A change that does not say since when may be of any time. */
function validFrom({ columns: { extra } }: Row): number {
  return Number((typeof extra === 'object' && extra['valid_from_ms']) || 0)
}

/** (hour in ms, bucket), each once and in order. */
function hoursOf(rows: readonly Row[], column: string): [number, number][] {
  const pairs = rows.flatMap(({ bucket, columns }): [number, number][] => {
    const time_us = columns[column]
    return typeof time_us === 'number' ? [[(Math.floor(time_us / HOUR_US) * HOUR_US) / 1000, bucket]] : []
  })
  const each = new Map(pairs.map((pair) => [pair.join(' '), pair]))
  return [...each.values()].sort(([a, x], [b, y]) => a - b || x - y)
}
