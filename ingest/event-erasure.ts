import type { Interval } from '../contract/interval.ts'
import type { ErasedHub } from './erased-hubs.ts'
import type { EventAttempt } from './event-attempt.ts'
import { DEAD_KIND } from './event-rows.ts'

export type LeftOut = {
  /** Rows that are in no file. */
  readonly gone: ReadonlySet<number>
  /** Their ordinals, by batch. */
  readonly lines: ReadonlyMap<number, readonly Interval[]>
  /** Of erased hubs that the registry tells to be enrolled anew: since when, ms since 1970. */
  readonly enrolled_ms: ReadonlyMap<string, number>
}

/** What services tell of erased hubs becomes no rows, but for what is of an enrolment since. */
export function leaveOut({ rows, values }: EventAttempt, hubs: ReadonlyMap<string, ErasedHub>): LeftOut {
  const gone = new Set<number>()
  const lines = new Map<number, Interval[]>()
  const enrolled_ms = new Map<string, number>()
  if (hubs.size === 0) return { gone, lines, enrolled_ms }
  const { words } = rows
  const erased = new Map([...hubs].map(([hub, one]) => [words.of(hub), { hub, ...one }]))
  const { batch, ordinal, hub, kind, at } = rows.columns()
  const generation = words.of('generation')
  const registry = words.of('registry')
  const from = words.of('valid_from_ms')
  const about: { readonly row: number; readonly generation: number; readonly of: ErasedHub & { hub: string } }[] = []
  for (let row = 0; row < rows.count(); row++) {
    const of = erased.get(hub[row] as number)
    if (!of || !values[batch[row] as number]?.service) continue
    about.push({ row, of, generation: kind[row] === registry ? (rows.moreNumber(row, generation) ?? 0) : Number.NaN })
  }
  for (const { row, of, generation } of about) {
    const since_ms = generation > of.generation ? rows.moreNumber(row, from) : undefined
    if (since_ms !== undefined && since_ms > 0)
      enrolled_ms.set(of.hub, Math.min(since_ms, enrolled_ms.get(of.hub) ?? since_ms))
  }
  for (const { row, of, generation } of about) {
    const since_ms = of.since_ms ?? enrolled_ms.get(of.hub)
    const isOfSince = kind[row] !== DEAD_KIND && since_ms !== undefined && (at[row] as number) >= since_ms * 1000
    if (kind[row] === registry ? generation > of.generation : isOfSince) continue
    gone.add(row)
    const number = batch[row] as number
    const values_of = values[number]
    if (kind[row] === DEAD_KIND && values_of) values_of.dead--
    const line = ordinal[row] as number
    const known = lines.get(number)
    if (known) known.push([line, line + 1])
    else lines.set(number, [[line, line + 1]])
  }
  return { gone, lines, enrolled_ms }
}
