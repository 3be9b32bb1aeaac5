/**
 * This relay's sessions as the directory shall have them (relay.md, Many relays). A home works without the directory: who
 * cannot be claimed is let in, and claimed when it is back; a claim that loses ends the session, for a newer one is elsewhere.
 */
import type { Clock } from '../contract/clock.ts'
import { isProblem, leaveFault } from '../contract/problem.ts'
import { compareEpochs, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import type { ConnectAnswer } from '../link/mqtt-handler.ts'
import { behind } from './admission.ts'
import type { Claim, Directory } from './directory.ts'
import { inTime } from './in-time.ts'
import type { EpochBook } from './ledger.ts'
import { CLAIM_AGAIN_MS, CLAIM_ROUND_MS, CLAIM_WAIT_MS, CLAIMS_AT_ONCE_MAX } from './limits.ts'

export type HubClaims = {
  /** May a hub that this relay would let in begin its session? Waits for the directory, not for long. */
  enter(hub: string, epoch: string): Promise<ConnectAnswer>
  /** The session began. */
  opened(hub: string, epoch: string): void
  /** The session ended. */
  left(hub: string, epoch: string): void
  close(): void
}

/** How often some of the sessions are claimed once more, ms. */
const TICK_MS = 1_000

export function hubClaims(parts: {
  readonly directory: Directory
  readonly epochs: EpochBook
  readonly clock: Clock
  /** Epoch by hub, of the sessions that this relay has. */
  readonly sessions: () => ReadonlyMap<string, { readonly epoch: string }>
  /** A newer session of the hub is elsewhere: this one is over. */
  readonly superseded: (hub: string, epoch: string) => void
  readonly fault: (error: unknown) => void
}): HubClaims {
  const { directory, epochs, clock, sessions, superseded, fault } = parts
  /** Hubs whose sessions are to be claimed. */
  const due = new Set<string>()
  /** What the directory is asked about a hub, one after the other. */
  const questions = new Map<string, Promise<unknown>>()
  /** What it has of this relay, as far as it said so. */
  const claimed = new Map<string, string>()
  /** Of the present round, who is still to come. */
  let round: string[] = []
  let round_size = 0
  let round_began_ms = clock.monotonic()
  let at_work = 0
  let is_away = false
  let is_closed = false
  let cancelAgain: (() => void) | undefined

  /** After what was asked about this hub before: a release must not overtake a claim. */
  function ask<T>(hub: string, question: () => Promise<T>): Promise<T> {
    const answer = (questions.get(hub) ?? Promise.resolve()).then(question)
    const settled = answer.then(
      () => undefined,
      () => undefined,
    )
    questions.set(hub, settled)
    void settled.then(() => {
      if (questions.get(hub) === settled) questions.delete(hub)
    })
    return answer
  }

  /** A newer session of the hub than any of this relay is known: no older one comes in, and an older one ends. */
  function newer(hub: string, epoch: SessionEpoch): void {
    const known = epochs.highest(hub)
    if (!known || compareEpochs(epoch, known) > 0) epochs.raise(hub, epoch)
    const mine = sessions().get(hub)?.epoch
    if (mine !== undefined && compareEpochs(parseEpoch(mine), epoch) < 0) superseded(hub, mine)
  }

  /** Raises `unavailable`. */
  async function claim(hub: string, epoch: string): Promise<Claim> {
    const answer = await ask(hub, () => directory.claim(hub, epoch))
    is_away = false
    if (answer.held) claimed.set(hub, epoch)
    else newer(hub, parseEpoch(answer.epoch))
    return answer
  }

  function failed(hub: string, error: unknown): void {
    if (!isProblem(error)) fault(error)
    is_away = true
    if (is_closed) return
    due.add(hub)
    cancelAgain ??= clock.timer(CLAIM_AGAIN_MS, () => {
      cancelAgain = undefined
      work()
    })
  }

  function work(): void {
    if (cancelAgain || is_closed) return
    for (const hub of due) {
      if (at_work >= CLAIMS_AT_ONCE_MAX) return
      due.delete(hub)
      const epoch = sessions().get(hub)?.epoch
      if (epoch === undefined) continue
      at_work++
      claim(hub, epoch)
        .catch((error: unknown) => failed(hub, error))
        .finally(() => {
          at_work--
          work()
        })
    }
  }

  const unwatch = directory.watch({
    moved(hub, epoch) {
      try {
        newer(hub, parseEpoch(epoch))
      } catch (error) {
        fault(error)
      }
    },
    anew() {
      for (const hub of sessions().keys()) due.add(hub)
      work()
    },
  })

  let cancelTick = clock.timer(TICK_MS, tick)
  function tick() {
    cancelTick = clock.timer(TICK_MS, tick)
    if (round.length === 0 && clock.monotonic() - round_began_ms >= CLAIM_ROUND_MS) {
      round_began_ms = clock.monotonic()
      round = [...sessions().keys()]
      round_size = round.length
      // Claimed for a connection that ended before it was a session.
      for (const [hub, epoch] of claimed)
        if (sessions().get(hub)?.epoch !== epoch && !questions.has(hub)) left(hub, epoch)
    }
    const now = Math.ceil((round_size * TICK_MS) / CLAIM_ROUND_MS)
    for (const hub of round.splice(0, now)) due.add(hub)
    work()
  }

  function left(hub: string, epoch: string): void {
    if (claimed.get(hub) === epoch) claimed.delete(hub)
    ask(hub, () => directory.release(hub, epoch)).catch((error: unknown) => {
      // Whoever asks for the hub by what stays there is told that it is not here.
      if (!isProblem(error)) fault(error)
    })
  }

  return {
    async enter(hub, epoch) {
      // While it is away nobody waits for it.
      if (is_away) return { accept: true }
      const pending = claim(hub, epoch)
      try {
        await inTime(clock, { ms: CLAIM_WAIT_MS, what: 'the directory' }, pending)
      } catch (error) {
        leaveFault(error)
        is_away = true
        pending.catch((late: unknown) => failed(hub, late))
      }
      // Raised by the claim, or by a newer connection that came meanwhile: `admit` asked before the wait.
      const asked = parseEpoch(epoch)
      const known = epochs.highest(hub)
      return known && compareEpochs(asked, known) < 0 ? behind(asked, known) : { accept: true }
    },
    opened(hub, epoch) {
      if (claimed.get(hub) === epoch) return
      due.add(hub)
      work()
    },
    left,
    close() {
      is_closed = true
      unwatch()
      cancelTick()
      cancelAgain?.()
    },
  }
}
