import { type Clock, type Random, sleep } from '../../contract/clock.ts'
import { assert } from '../../contract/problem.ts'

/** A process that trouble can come to. */
export type Target = {
  readonly name: string
  /** `broker`, `gateway`, …: what the account of faults is by. */
  readonly kind: string
  /** kill -9. */
  kill(): Promise<void>
  /** Starts it again; resolves when it was started, not when it serves. */
  start(): Promise<void>
  /** SIGSTOP, SIGCONT. */
  pause(): void
  resume(): void
}

/** Something else that can go wrong and be mended: a network between. */
export type Weather = { readonly name: string; begin(): void; end(): void }

export type Troubles = {
  /** By `kill broker`, `pause writer`, …: how often. */
  readonly counts: Readonly<Record<string, number>>
}

/** From one fault to the next, how long a killed one stays away, and how long a paused one sleeps. */
const NEXT_MS = [500, 5_000] as const
const AWAY_MS = [200, 6_000] as const
const ASLEEP_MS = [500, 20_000] as const
const WEATHER_MS = [1_000, 8_000] as const
/** Of a target's faults so many are kills, the others pauses; of all faults so many are the weather's. */
const KILL_SHARE = 0.55
const WEATHER_SHARE = 0.3

/**
 * Brings trouble at random until the signal aborts, to one target after the other, several at a time; then mends all of
 * it. `note` is told of each fault.
 */
export async function bringTrouble(options: {
  readonly targets: readonly Target[]
  readonly weathers: readonly Weather[]
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  note(text: string): void
}): Promise<Troubles> {
  const { targets, weathers, clock, random, signal, note } = options
  const counts: Record<string, number> = {}
  const busy = new Set<string>()
  const open = new Set<Promise<void>>()
  const between = ([from, to]: readonly [number, number]) => from + (to - from) * random.float()
  const asleep = (range: readonly [number, number]) => sleep(clock, between(range), signal).catch(() => undefined)

  async function one(
    name: string,
    what: string,
    begin: () => unknown,
    end: () => unknown,
    range: readonly [number, number],
  ) {
    counts[what] = (counts[what] ?? 0) + 1
    busy.add(name)
    note(what === name ? what : `${what}: ${name}`)
    await begin()
    await asleep(range)
    await end()
    busy.delete(name)
  }

  while (!signal.aborted) {
    await asleep(NEXT_MS)
    if (signal.aborted) break
    const calm = [...(weathers.length > 0 && random.float() < WEATHER_SHARE ? weathers : targets)].filter(
      ({ name }) => !busy.has(name),
    )
    const chosen = calm[Math.floor(random.float() * calm.length)]
    if (!chosen) continue
    let trouble: Promise<void>
    if ('kill' in chosen) {
      const kills = random.float() < KILL_SHARE
      trouble = kills
        ? one(
            chosen.name,
            `kill ${chosen.kind}`,
            () => chosen.kill(),
            () => chosen.start(),
            AWAY_MS,
          )
        : one(
            chosen.name,
            `pause ${chosen.kind}`,
            () => chosen.pause(),
            () => chosen.resume(),
            ASLEEP_MS,
          )
    } else {
      trouble = one(
        chosen.name,
        chosen.name,
        () => chosen.begin(),
        () => chosen.end(),
        WEATHER_MS,
      )
    }
    const owned = trouble.finally(() => open.delete(owned))
    open.add(owned)
  }
  await Promise.all(open)
  assert(busy.size === 0, 'all trouble is over')
  return { counts }
}
