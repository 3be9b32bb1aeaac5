/** Commands between relays: what comes in here for a hub that is connected elsewhere, and the reverse (relay.md, Many relays). */
import { type Clock, type Random, randomHex, sleep } from '../contract/clock.ts'
import { type CommandReport, commandHash, commandId } from '../contract/command.ts'
import { isProblem, leaveFault, Problem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { COMMAND_ID, type Command, outranks, reportOf, utcDay } from './command.ts'
import type { CommandCore } from './command-core.ts'
import { usedFor } from './command-repeat.ts'
import type { Directory, HubPlace } from './directory.ts'
import { inTime } from './in-time.ts'
import { type IssueRequest, OFFLINE } from './issue-request.ts'
import {
  DIRECTORY_WAIT_MS,
  FORWARDED_KNOWN_MAX,
  FORWARDS_OPEN_MAX,
  LEAVING_LOOKS_MAX,
  PEER_AGAIN_MAX_MS,
  PEER_AGAIN_MS,
  PEER_ANSWER_GRACE_MS,
  PEER_LOOK_MS,
  RELAYS_ASKED_MAX,
} from './limits.ts'
import type { ForwardAnswer, ForwardedCommand, PeerService, Peers } from './peers.ts'

/** `settled`: told once there is an outcome; `accepted`: as soon as it is issued. */
export type Answer = 'settled' | 'accepted'

/** A command that is not this relay's, or may not be: its report comes from elsewhere. */
export type Elsewhere = {
  /** Raises what `CommandCore.issue` raises, and `unavailable` with outcome `unknown` where its holder fell silent. */
  readonly report: Promise<CommandReport>
  /** Who asked has gone: nobody waits any longer. The command goes on where it was issued. */
  leave(): void
}

export type Issued = { readonly command: Command; readonly repeat: boolean } | Elsewhere

export type Located = { readonly app: string; readonly report: CommandReport }

export type Cluster = {
  /** As `CommandCore.issue`, and in the same turn, where the hub is connected here; else at the relay that holds it. */
  issue(request: IssueRequest, answer: Answer): Issued
  /** A command that another relay knows. Raises `unavailable` where the one that got it does not say. */
  locate(id: string): Promise<Located | undefined>
  /** Resolves when no command of an app here waits for another relay. */
  drain(): Promise<void>
  /** What other relays ask of this one. */
  readonly service: PeerService
}

/** Where a command was sent: what was said of it, or until when it may yet be issued there, monotonic ms, though nothing was. */
type Forwarded = { readonly place: HubPlace; readonly report?: CommandReport; readonly doubt_until_ms?: number }

/** Of one command on its way. */
type Way = {
  readonly id: string
  readonly request: ForwardedCommand
  readonly answer: Answer
  readonly until_ms: number
  readonly signal: AbortSignal
}

export function cluster(parts: {
  /** This relay's name, as the directory has it. */
  readonly relay: string
  readonly fleet: string
  readonly core: CommandCore
  readonly directory: Directory
  readonly peers: Peers
  readonly clock: Clock
  readonly random: Random
}): Cluster {
  const { relay, fleet, core, directory, peers, clock, random } = parts
  const forwarded = new Map<string, Forwarded>()
  const idle: (() => void)[] = []
  let open = 0

  /** `unavailable` only where it says so: a hub that nobody has is undefined. */
  const placeOf = (hub: string, signal: AbortSignal): Promise<HubPlace | undefined> =>
    inTime(clock, { ms: DIRECTORY_WAIT_MS, signal, what: 'the directory' }, directory.find(hub))

  /** As it was before something was asked that did not happen, unless another try of it has said more since. */
  const restore = (id: string, mine: Forwarded, before: Forwarded | undefined) => {
    if (forwarded.get(id) !== mine) return
    if (before) remember(forwarded, id, before, FORWARDED_KNOWN_MAX)
    else forwarded.delete(id)
  }

  const isOver = (before: Forwarded | undefined, place: HubPlace): boolean =>
    before?.place.relay === place.relay &&
    before.doubt_until_ms !== undefined &&
    clock.monotonic() > before.doubt_until_ms

  /**
   * The holder's word; undefined when it issued nothing. Asks again for as long as there is time once something was sent.
   * Raises what the holder raises: `closed` where it is going away.
   */
  async function ask(
    place: HubPlace,
    { id, request, answer, until_ms, signal }: Way,
  ): Promise<CommandReport | undefined> {
    const before = forwarded.get(id)
    for (let tries = 0; ; tries++) {
      const left_ms = Math.floor(until_ms - clock.monotonic())
      if (left_ms <= 0) return undefined
      // In doubt from the moment that it may leave.
      const told = before?.report && { report: before.report }
      const mine: Forwarded = { place, ...told, doubt_until_ms: until_ms }
      remember(forwarded, id, mine, FORWARDED_KNOWN_MAX)
      let said: ForwardAnswer
      try {
        const asked = peers.at(place.address).issue({ ...request, deadline_ms: left_ms }, answer)
        said = await inTime(clock, { ms: left_ms + PEER_ANSWER_GRACE_MS, signal, what: place.relay }, asked)
      } catch (error) {
        if (!isProblem(error)) throw error
        if (error.outcome === 'did-not-happen' && tries === 0) {
          restore(id, mine, before)
          if (isProblem(error, 'unavailable')) return undefined
          throw error
        }
        signal.throwIfAborted()
        await sleep(clock, Math.min(PEER_AGAIN_MAX_MS, PEER_AGAIN_MS * 2 ** tries), signal)
        continue
      }
      if (said.away) {
        // What was sent before may still come; of an earlier try, once its time is over, this is the last word.
        if (tries === 0) restore(id, mine, isOver(before, place) ? undefined : before)
        return undefined
      }
      const report = better(better(said.report, before?.report), forwarded.get(id)?.report)
      if (before && before.place.relay !== place.relay && isDenied(report, before)) {
        restore(id, mine, before)
        throw fellSilent(id, before)
      }
      forwarded.delete(id)
      remember(forwarded, report.command, { place, report }, FORWARDED_KNOWN_MAX)
      return report
    }
  }

  /** That another relay had a request done: nobody can make more of it. Raises `conflict` for another body under its key. */
  function doneElsewhere(id: string, request: IssueRequest): CommandReport | undefined {
    const told = forwarded.get(id)?.report
    if (told && commandHash(told) !== commandHash(request)) throw usedFor(told)
    return told?.outcome === 'done' ? told : undefined
  }

  async function seek(way: Way): Promise<CommandReport> {
    const { id, request, signal, until_ms } = way
    const done = doneElsewhere(id, request)
    if (done) return done
    let offline = OFFLINE
    let leaving: Problem | undefined
    let last: string | undefined
    for (let asked = 0, waits = 0; ; ) {
      let place: HubPlace | undefined
      try {
        place = await placeOf(request.hub, signal)
      } catch (error) {
        signal.throwIfAborted()
        leaveFault(error)
        offline = 'the hub is not connected to this relay, and the directory of the others does not answer'
      }
      // Where it was issued, or may have been, is asked again when nobody has the hub now.
      place ??= forwarded.get(id)?.place
      if (!place || place.relay === relay || place.relay === last) {
        // The hubs of a relay that goes away are elsewhere in a moment.
        const isLate = clock.monotonic() + PEER_AGAIN_MS > until_ms
        if (!leaving || core.holds(request.hub) || waits++ === LEAVING_LOOKS_MAX || isLate) break
        await sleep(clock, PEER_AGAIN_MS, signal)
        continue
      }
      if (asked++ === 2) break
      last = place.relay
      const report = await ask(place, way).catch((error: unknown) => {
        if (!isProblem(error, 'closed') || error.outcome !== 'did-not-happen') throw error
        const text = `${last}, to which the hub was connected, is shutting down, and the hub is not back yet: send the command again`
        leaving = new Problem('unavailable', text)
        return undefined
      })
      // Its hub may have come here meanwhile, and another try of it with it.
      const own = core.find(id)
      if (report) return better(report, own && reportOf(own))
      offline = `${last}, to which the hub was connected, does not have it, or cannot be reached`
    }
    const before = forwarded.get(id)
    if (leaving && !before && !core.holds(request.hub)) throw leaving
    if (before && !core.holds(request.hub)) {
      if (before.report?.outcome !== undefined) return before.report
      throw fellSilent(id, before)
    }
    const left_ms = Math.max(0, Math.floor(until_ms - clock.monotonic()))
    const { command } = core.issue({ ...request, deadline_ms: left_ms }, { offline })
    return toldHere(command, way.answer, before)
  }

  async function asAsked(command: Command, answer: Answer): Promise<CommandReport> {
    return answer === 'settled' ? await core.settled(command) : reportOf(command)
  }

  /** What becomes of a command here, and of what another relay was asked for before: the best counts, and a doubt stays one. */
  async function toldHere(command: Command, answer: Answer, before: Forwarded | undefined): Promise<CommandReport> {
    const report = await asAsked(command, answer)
    if (before && isDenied(report, before)) throw fellSilent(command.id, before)
    return better(report, before?.report)
  }

  const idOf = ({ app, hub, day }: IssueRequest, key: string): string =>
    commandId(fleet, app, hub, key, day ?? utcDay(clock.now()))

  /** Almost always nothing else is known of it. */
  function here(issued: { readonly command: Command; readonly repeat: boolean }, answer: Answer): Issued {
    const before = forwarded.size === 0 ? undefined : forwarded.get(issued.command.id)
    return before ? { report: toldHere(issued.command, answer, before), leave: () => undefined } : issued
  }

  /** Known from its first moment: a key is made when there is none, and the day is today's, or that of a repeat. */
  function wayOf(request: IssueRequest, answer: Answer, signal: AbortSignal): Way {
    const key = request.key ?? randomHex(random, 16)
    const day = request.day ?? utcDay(clock.now())
    const assumed = request.day === undefined ? { day_assumed: true as const } : {}
    return {
      id: idOf({ ...request, day }, key),
      request: { ...request, key, day, ...assumed },
      answer,
      until_ms: clock.monotonic() + request.deadline_ms,
      signal,
    }
  }

  return {
    issue(request, answer) {
      if (core.holds(request.hub)) {
        const { key } = request
        const done = key !== undefined && forwarded.size > 0 ? doneElsewhere(idOf(request, key), request) : undefined
        return done ? { report: Promise.resolve(done), leave: () => undefined } : here(core.issue(request), answer)
      }
      const known = core.repeatOf(request)
      if (known) return here({ command: known, repeat: true }, answer)
      core.meter(request.app)
      if (open >= FORWARDS_OPEN_MAX)
        throw new Problem(
          'limit',
          `${FORWARDS_OPEN_MAX} commands are on their way to other relays; send it again later`,
        )
      open++
      const left = new AbortController()
      const report = seek(wayOf(request, answer, left.signal)).finally(() => {
        if (--open === 0) for (const wake of idle.splice(0)) wake()
      })
      return { report, leave: () => left.abort(new Problem('closed', 'who asked has gone', { outcome: 'unknown' })) }
    },

    async locate(id) {
      if (!COMMAND_ID.test(id)) return undefined
      const find = (address: string) =>
        inTime(clock, { ms: PEER_LOOK_MS, what: address }, peers.at(address).find(id)).catch((error: unknown) => {
          leaveFault(error)
          return undefined
        })
      const known = forwarded.get(id)
      const there = known && (await find(known.place.address))
      if (there) return there
      const living = await inTime(clock, { ms: DIRECTORY_WAIT_MS, what: 'the directory' }, directory.relays()).catch(
        (error: unknown) => {
          leaveFault(error)
          return []
        },
      )
      const others = living.filter((one) => one.relay !== relay).slice(0, RELAYS_ASKED_MAX)
      const found = await Promise.all(others.map(({ address }) => find(address)))
      const best = found.reduce((so_far, one) => (one && isBetter(one, so_far) ? one : so_far), undefined)
      if (!best && known) throw fellSilent(id, known)
      return best
    },

    drain: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),

    service: {
      async issue(command, answer) {
        if (!core.holds(command.hub)) {
          const before = core.repeatOf(command)
          if (!before) return { away: true }
          return { away: false, report: await asAsked(before, answer) }
        }
        const { command: issued } = core.issue(command, { offline: OFFLINE })
        return { away: false, report: await asAsked(issued, answer) }
      },
      async find(id) {
        const command = core.find(id)
        return command && { app: command.app, report: reportOf(command) }
      },
    },
  }
}

/** It is offline for one relay, and another fell silent over it: nobody can say that nothing happened. */
function isDenied(report: CommandReport, before: Forwarded): boolean {
  return report.outcome === 'offline' && before.report?.outcome === undefined
}

function fellSilent(id: string, { place }: Forwarded): Problem {
  const how = `${place.relay} got command ${id} and fell silent: whether it happened is unknown`
  return new Problem('unavailable', `${how}; GET /v1/commands/${id} may tell`, { outcome: 'unknown' })
}

function better(one: CommandReport, other: CommandReport | undefined): CommandReport {
  return other?.outcome !== undefined && (one.outcome === undefined || outranks(other.outcome, one.outcome))
    ? other
    : one
}

/** Several relays may know a command whose hub moved while it was repeated; the outcome that counts most is told. */
function isBetter(one: Located, best: Located | undefined): boolean {
  if (!best) return true
  return one.report.outcome !== undefined && outranks(one.report.outcome, best.report.outcome)
}
