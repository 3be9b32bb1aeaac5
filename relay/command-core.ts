import type { Clock, Random } from '../contract/clock.ts'
import { randomHex } from '../contract/clock.ts'
import {
  type CommandReport,
  commandHash,
  commandId,
  type HubBound,
  type Outcome,
  type Stage,
} from '../contract/command.ts'
import { Problem } from '../contract/problem.ts'
import type { PublishOutcome } from '../link/mqtt-handler.ts'
import { type Command, type HubResult, type LedgerEvent, outcomeOf, outranks, reportOf, rounded } from './command.ts'
import { commandMemory } from './command-memory.ts'
import { repeatOf } from './command-repeat.ts'
import { checkedDay } from './issue-day.ts'
import { issueRates } from './issue-rates.ts'
import { type IssueRequest, OFFLINE, type Passed, UNSENT } from './issue-request.ts'
import { OPEN_COMMANDS_MAX, OPEN_PER_HUB_MAX, UNKNOWN_RESULT_RATE } from './limits.ts'
import type { LiveFeed } from './live-event.ts'
import { rateGate } from './rate.ts'
import { unknownResult } from './unknown-result.ts'

/** The way to the hubs. */
export type HubLink = {
  /** Hands bytes to the hub's socket. `full`: wait for `drained`; `gone`: no session of that epoch. */
  send(hub: string, epoch: string, message: HubBound): PublishOutcome
}

/** The relay's durable memory: events on their way to the lake, and the commands that they are about. */
export type Ledger = {
  /** Events of one hub and their command, all or nothing; when it returns, it survives the end of the process. Raises `unavailable`. */
  write(events: readonly LedgerEvent[], command: Command | undefined): void
  find(id: string): Command | undefined
  /** Commands without an outcome, in the order of their issue. */
  open(): readonly Command[]
}

/** A stage that the relay saw, as the ledger has it. */
type Step = LedgerEvent & { readonly stage: Stage | Outcome; readonly ms: number }

/** A command between `issued` and its outcome. */
type Open = {
  readonly command: Command
  state: 'unsent' | 'sent'
  cancelDeadline: () => void
  /** Events to be written with the outcome. */
  events: LedgerEvent[]
  readonly waiting: ((command: Command) => void)[]
}

type Hub = { epoch: string | undefined; readonly unsent: Open[]; open: number }

export type CommandCore = ReturnType<typeof commandCore>

/**
 * What becomes of commands: the relay's heart, without sockets, disk or a clock of its own (relay.md). Each command
 * gets its `issued` written before any byte goes to the hub, exactly one answer, and its outcome written before that
 * answer. What was handed to a socket is never handed to another.
 */
export function commandCore(parts: {
  readonly fleet: string
  readonly clock: Clock
  readonly random: Random
  readonly ledger: Ledger
  readonly link: HubLink
  readonly feed: LiveFeed
}) {
  const { fleet, clock, random, link, feed } = parts
  const memory = commandMemory(parts.ledger, clock)
  const rates = issueRates(clock)
  const unknownGate = rateGate(clock, UNKNOWN_RESULT_RATE)
  const open = new Map<string, Open>()
  const hubs = new Map<string, Hub>()
  const idle: (() => void)[] = []
  let accepting = true
  const counts = { issued: 0, repeats: 0, ignored_results: 0, outcomes: new Map<Outcome, number>() }

  const elapsed_ms = (command: Command): number =>
    command.issued_mono === undefined
      ? Math.max(0, clock.now() - command.issued)
      : clock.monotonic() - command.issued_mono

  const hubOf = (id: string): Hub => {
    let hub = hubs.get(id)
    if (!hub) {
      hub = { epoch: undefined, unsent: [], open: 0 }
      hubs.set(id, hub)
    }
    return hub
  }

  const forgetIfIdle = (id: string, hub: Hub) => {
    if (hub.epoch === undefined && hub.open === 0) hubs.delete(id)
  }

  /** Adds a stage, and returns its event for the ledger. Observers are told once that is written. */
  const step = (command: Command, stage: Stage | Outcome, reason?: string): Step => {
    const ms = rounded(elapsed_ms(command))
    command.stages.push({ stage, by: 'relay', ms })
    const { hub, device, id, issued } = command
    return { m: clock.monotonic(), hub, kind: 'command', device, command: id, issued, stage, ms, reason }
  }

  const tell = (command: Command, { stage, ms }: Pick<Step, 'stage' | 'ms'>, by: 'relay' | 'hub' = 'relay') => {
    if (!feed.watched) return
    const { hub, device, id } = command
    feed.publish({ type: 'stage', hub, command: id, device, stage, by, ms })
  }

  /** Records a better outcome than the one before, on an open or a finished command. The ledger first, then the answer. */
  const conclude = (command: Command, outcome: Outcome, reason: string | undefined, before: readonly Step[]) => {
    const entry = open.get(command.id)
    const steps = [...before]
    if (outranks(outcome, command.outcome)) {
      command.outcome = outcome
      command.reason = reason
      steps.push(step(command, outcome, reason))
      counts.outcomes.set(outcome, (counts.outcomes.get(outcome) ?? 0) + 1)
    }
    memory.finish(command, entry ? [...entry.events, ...steps] : steps)
    for (const one of steps) tell(command, one)
    if (feed.watched) feed.publish({ type: 'outcome', hub: command.hub, app: command.app, report: reportOf(command) })
    if (!entry) return
    open.delete(command.id)
    entry.cancelDeadline()
    const hub = hubOf(command.hub)
    hub.open--
    if (entry.state === 'unsent') {
      const place = hub.unsent.indexOf(entry)
      if (place >= 0) hub.unsent.splice(place, 1)
    }
    forgetIfIdle(command.hub, hub)
    for (const wake of entry.waiting) wake(command)
    if (open.size === 0) for (const wake of idle.splice(0)) wake()
  }

  const expire = (entry: Open) => {
    if (entry.state === 'unsent')
      conclude(entry.command, 'offline', 'the connection took no bytes until the deadline: nothing was sent', [])
    else conclude(entry.command, 'expired', undefined, [])
  }

  const begin = (command: Command, state: Open['state'], left_ms: number): Open => {
    const entry: Open = { command, state, cancelDeadline: () => undefined, events: [], waiting: [] }
    entry.cancelDeadline = clock.timer(left_ms, () => expire(entry))
    open.set(command.id, entry)
    hubOf(command.hub).open++
    return entry
  }

  /** False when the socket takes no more for now. */
  const send = (entry: Open, epoch: string): boolean => {
    const { command } = entry
    const stamp = clock.monotonic()
    const left_ms = command.deadline_ms - elapsed_ms(command)
    if (left_ms <= 0) {
      expire(entry)
      return true
    }
    const { id, hash, device, set, issued } = command
    const answer = link.send(command.hub, epoch, {
      hearth: 1,
      type: 'command',
      command: id,
      hash,
      device,
      set,
      issued,
      stamp,
      left_ms,
      epoch,
    })
    if (answer === 'full') return false
    if (answer !== 'sent') {
      conclude(command, answer === 'too-large' ? 'rejected' : 'offline', UNSENT[answer], [])
    } else {
      entry.state = 'sent'
      command.sent_mono = stamp
      const sent = step(command, 'sent')
      entry.events.push(sent)
      tell(command, sent)
    }
    return true
  }

  const drained = (id: string) => {
    for (;;) {
      const hub = hubs.get(id)
      const next = hub?.unsent[0]
      if (hub?.epoch === undefined || !next || !send(next, hub.epoch)) return
      if (hub.unsent[0] === next) hub.unsent.shift()
    }
  }

  /** What was not sent ends here; what was sent may still be answered, until its deadline. */
  const endSession = (id: string, reason: string) => {
    const hub = hubs.get(id)
    if (!hub) return
    hub.epoch = undefined
    for (const entry of hub.unsent.splice(0)) conclude(entry.command, 'offline', reason, [])
    forgetIfIdle(id, hub)
  }

  const known = (id: string): Command | undefined => {
    const running = open.get(id)?.command
    if (running) return running
    const found = memory.find(id)
    // Of an earlier version's disk: noted, but its issue failed at the next write, and who asked was told so.
    return found?.outcome === undefined ? undefined : found
  }

  const before = (id: string, hash: string, request: IssueRequest, now_ms: number): Command | undefined => {
    const found = repeatOf(request, { fleet, id, hash, now_ms }, known)
    if (found) counts.repeats++
    return found
  }

  const refuseClosed = () => {
    if (!accepting) throw new Problem('closed', 'this relay is shutting down; send the command again to another')
  }

  const admit = (request: IssueRequest, metered: boolean) => {
    refuseClosed()
    if (open.size >= OPEN_COMMANDS_MAX)
      throw new Problem('limit', `${OPEN_COMMANDS_MAX} commands are in flight on this relay; send it again later`)
    if ((hubs.get(request.hub)?.open ?? 0) >= OPEN_PER_HUB_MAX)
      throw new Problem(
        'limit',
        `${OPEN_PER_HUB_MAX} commands are in flight to hub ${request.hub}; wait for an outcome before sending more`,
      )
    if (metered) rates.hub(request.hub)
    else rates.both(request.app, request.hub)
  }

  return {
    counts,
    /** Ledger writes that a refusing disk cost for good. */
    lostWrites: () => memory.lost(),
    /** Commands without an outcome. */
    openCount: () => open.size,

    /**
     * Accepts a command, which the caller authorised and validated. A repeat (same key, same body) is the same
     * command. Raises `conflict` (same key, other body), `invalid` (an impossible day), `limit`, `closed`,
     * `unavailable` (the ledger cannot be written): in none of these was anything issued. `passed`: its app's rate was
     * counted where it came in, and why it ends `offline` when the hub is not connected here.
     */
    issue: (request: IssueRequest, passed?: Passed): { readonly command: Command; readonly repeat: boolean } => {
      const now_ms = clock.now()
      const day = checkedDay(request, now_ms)
      const id = commandId(fleet, request.app, request.hub, request.key ?? randomHex(random, 16), day)
      const hash = commandHash(request)
      const repeat = before(id, hash, request, now_ms)
      if (repeat) return { command: repeat, repeat: true }
      admit(request, passed !== undefined)
      const { app, hub: hub_id, device, set, deadline_ms } = request
      const command: Command = {
        id,
        hash,
        app,
        hub: hub_id,
        device,
        set,
        issued: now_ms,
        day,
        deadline_ms,
        issued_mono: clock.monotonic(),
        sent_mono: undefined,
        stages: [],
        outcome: undefined,
        reason: undefined,
        round_trip_ms: undefined,
      }
      const hub = hubs.get(hub_id)
      const issued: LedgerEvent = { ...step(command, 'issued'), app, deadline_ms, set: JSON.stringify(set) }
      const epoch = hub?.epoch
      const routed = hub === undefined || epoch === undefined ? undefined : step(command, 'routed')
      memory.begin(command, routed ? [issued, routed] : [issued])
      counts.issued++
      if (feed.watched) feed.publish({ type: 'issued', hub: hub_id, app, report: reportOf(command) })
      if (routed) tell(command, routed)
      const entry = begin(command, 'unsent', deadline_ms)
      if (hub === undefined || epoch === undefined) conclude(command, 'offline', passed?.offline ?? OFFLINE, [])
      else if (hub.unsent.length > 0 || !send(entry, epoch)) hub.unsent.push(entry)
      return { command, repeat: false }
    },

    /** Is the hub connected here, and hears commands? */
    holds: (hub: string): boolean => hubs.get(hub)?.epoch !== undefined,

    /** Has the hub commands without an outcome? */
    isBusy: (hub: string): boolean => (hubs.get(hub)?.open ?? 0) > 0,

    /** What this relay itself issued under the request's key. Raises `conflict`, `invalid`, as `issue`. */
    repeatOf: (request: IssueRequest): Command | undefined => {
      if (request.key === undefined) return undefined
      const now_ms = clock.now()
      const id = commandId(fleet, request.app, request.hub, request.key, checkedDay(request, now_ms))
      return before(id, commandHash(request), request, now_ms)
    },

    /** Counts a command that another relay will issue for its app. Raises `limit`, `closed`. */
    meter: (app: string): void => {
      refuseClosed()
      rates.app(app)
    },

    /** The command as it stands once it has an outcome. */
    settled: (command: Command): Promise<CommandReport> => {
      const entry = open.get(command.id)
      if (!entry) return Promise.resolve(reportOf(command))
      return new Promise((resolve) => entry.waiting.push((done) => resolve(reportOf(done))))
    },

    /** A command of the last 24 hours, as far as the limits go. */
    find: known,

    /** A hub's control connection is open, in this session epoch, newer than any before. */
    connected: (hub: string, epoch: string) => {
      // A hub may subscribe twice; that ends nothing.
      if (hubs.get(hub)?.epoch === epoch) return
      endSession(hub, 'the hub connected anew before it was sent')
      hubOf(hub).epoch = epoch
    },

    /** It ended; an older epoch than the present one means nothing any more. */
    disconnected: (hub: string, epoch: string) => {
      if (hubs.get(hub)?.epoch === epoch) endSession(hub, 'the connection ended before it was sent')
    },

    /** The hub's socket takes bytes again. */
    drained,

    /** A hub's word on a command; `hub` is who the connection proved. */
    result: (hub: string, said: HubResult) => {
      const command = known(said.command)
      if (!command) {
        if (unknownGate.take(hub) > 0) counts.ignored_results++
        else memory.note(unknownResult(hub, said, clock))
        return
      }
      if (command.hub !== hub) {
        counts.ignored_results++
        return
      }
      const entry = open.get(command.id)
      const elapsed = elapsed_ms(command)
      // What expired stays late: taken up from the disk it has only the wall clock, which may have been set back.
      const in_time = command.outcome !== 'expired' && elapsed <= command.deadline_ms
      if (entry && !in_time) expire(entry)
      const isNew = !command.stages.some((past) => past.by === 'hub' && past.stage === said.stage)
      if (isNew) {
        command.stages.push({ stage: said.stage, by: 'hub', ms: said.ms })
        tell(command, said, 'hub')
      }
      const outcome = outcomeOf(said.stage, in_time)
      if (outcome === undefined || !outranks(outcome, command.outcome)) {
        // Of one that runs it is written with its outcome.
        if (isNew && command.outcome !== undefined) memory.finish(command, [])
        return
      }
      const steps: Step[] = []
      if (!command.stages.some((past) => past.stage === 'acked')) {
        steps.push(step(command, 'acked'))
        if (command.sent_mono !== undefined) command.round_trip_ms = rounded(clock.monotonic() - command.sent_mono)
      }
      conclude(command, outcome, said.reason, steps)
    },

    /**
     * Takes up what an earlier run of the relay left without an outcome. It may have reached the hub, so it is never
     * sent again: its result may still come before the deadline (by the wall clock, the monotonic one began anew);
     * else it ends `expired`. Returns how many there were.
     */
    recover: (): number => {
      const left = parts.ledger.open()
      for (const command of left) {
        const left_ms = Math.min(command.deadline_ms, command.deadline_ms - elapsed_ms(command))
        const entry = begin(command, 'sent', Math.max(0, left_ms))
        if (left_ms <= 0)
          conclude(entry.command, 'expired', 'the relay restarted while it ran: whether it happened is unknown', [])
      }
      return left.length
    },

    /** Accepts no more; resolves when no command is without an outcome, which is after the longest deadline. */
    drain: (): Promise<void> => {
      accepting = false
      return open.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))
    },

    /** Stops the deadlines. Open commands stay open in the ledger, for the next run to close. */
    close: () => {
      accepting = false
      for (const entry of open.values()) entry.cancelDeadline()
      memory.close()
    },
  }
}
