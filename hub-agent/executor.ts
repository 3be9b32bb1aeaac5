/**
 * Carries out commands, each at most once, whatever crashes: the id is in the journal, synced, before the device hears
 * of it; a repeat is answered from there; a crash in between is `interrupted`, and not tried again (relay.md, A command).
 * Its only effects are the disk, the devices and the two callbacks that it is given.
 */
import type { Clock } from '../contract/clock.ts'
import type { HubBound, RelayBound } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { compareEpochs, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import type { Disk } from '../link/disk.ts'
import { openExcess } from '../link/excess.ts'
import type { Devices } from './devices.ts'
import { type Ended, openJournal } from './journal.ts'
import { COMMANDS_WAITING_MAX, CONFIRM_GRACE_MS, REFUSED_KEPT_MAX } from './limits.ts'

type Command = Extract<HubBound, { type: 'command' }>
type Result = Extract<RelayBound, { type: 'result' }>
type About = Pick<Command, 'command' | 'issued' | 'device'>
type Running = { readonly command: Command; readonly received_ms: number; readonly due_ms: number }

export type ExecutorOptions = {
  readonly disk: Disk
  readonly devices: Devices
  readonly clock: Clock
  /** `clock.monotonic()` at the start of this boot: events count from there. */
  readonly origin_ms: number
  /** To the relay; it may be away, and what could not be told is in the control stream anyway. */
  tell(result: Result): void
  /** To the control stream of the outbox. */
  record(event: Event): void
  /** A disk that fails. The command is answered all the same; somebody should know. */
  readonly fault: (error: unknown) => void
}

export type Executor = {
  /** A control connection was accepted under this epoch: stamps count anew, commands of older epochs are refused. */
  begin(epoch: SessionEpoch): void
  /** The relay is about to be asked for its first stamp. */
  listens(): void
  receive(message: HubBound): void
  /** Commands that wait or run. */
  readonly waiting: number
  /** Takes nothing new; resolves when what runs has ended. */
  close(): Promise<void>
}

/** Tells of commands that a crash interrupted before it returns. Raises `corrupt` for a journal it cannot read. */
export function openExecutor(options: ExecutorOptions): Executor {
  const { disk, devices, clock, origin_ms, fault } = options
  const journal = openJournal({ disk, clock })
  const excess = openExcess()
  /** By command id. */
  const running = new Map<string, Running>()
  /** The last command to each device: the next one waits for it. */
  const last = new Map<string, Promise<void>>()
  let session: SessionEpoch | undefined
  let closing = false

  const stage = (about: About, name: Result['stage'], ms: number, reason?: string, closed = () => {}) => {
    const { command, issued, device } = about
    const because = reason === undefined ? {} : { reason: reason.slice(0, 256) }
    const took_ms = Math.max(0, Math.round(ms * 1000) / 1000)
    const m = Math.round((clock.monotonic() - origin_ms) * 1000) / 1000
    const device_type = devices.list().find((one) => one.device === device)?.type
    const what = { device, ...(device_type !== undefined && { device_type }) }
    attempt(() =>
      options.record({ m, kind: 'command', command, issued, stage: name, ms: took_ms, ...what, ...because }),
    )
    closed()
    options.tell({ hearth: 1, type: 'result', command, stage: name, ms: took_ms, issued, ...because })
  }
  /** On record before the journal closes it: a crash in between tells of it twice, and the other way round never. */
  const end = (about: About, how: Ended) =>
    stage(about, how.stage, how.ms, how.reason, () =>
      attempt(() => {
        if (journal.get(about.command)) journal.end(about.command, how)
      }),
    )
  /** What was never begun is in no journal; a copy that comes later must not be done after this no. */
  const unbegun = new Map<string, { readonly hash: string; readonly ended: Ended }>()
  const endUnbegun = (command: Command, ended: Ended) => {
    remember(unbegun, command.command, { hash: command.hash, ended }, REFUSED_KEPT_MAX)
    running.delete(command.command)
    end(command, ended)
  }
  const attempt = (act: () => void) => {
    try {
      act()
    } catch (error) {
      fault(error)
    }
  }

  for (const command of journal.unended()) {
    const entry = journal.get(command)
    if (!entry) continue
    const reason = 'the hub stopped while it carried the command out'
    end({ command, issued: entry.issued, device: entry.device }, { stage: 'interrupted', ms: 0, reason })
  }

  /** A repeat of what the hub knows; false when it knows nothing of it. */
  const repeated = (command: Command): boolean => {
    const now = running.get(command.command)
    const then = now ? undefined : (journal.get(command.command) ?? unbegun.get(command.command))
    const hash = now?.command.hash ?? then?.hash
    if (hash === undefined) return false
    const about = { hearth: 1, type: 'result', command: command.command, issued: command.issued } as const
    if (hash !== command.hash) {
      options.tell({ ...about, stage: 'rejected', ms: 0, reason: 'this id was used for another command' })
    } else if (then?.ended) {
      options.tell({ ...about, ...then.ended })
    } else {
      // Its result follows when there is one.
      options.tell({ ...about, stage: 'received', ms: 0 })
    }
    return true
  }

  const receive = (command: Command) => {
    const received_ms = clock.monotonic()
    // Another relay's clock would be taken for this one's, for as long as stamps count.
    const excess_ms = isOlder(command) ? 0 : excess.take(received_ms, command.stamp)
    if (repeated(command)) return
    const refusal = refuse(command)
    if (refusal !== undefined) {
      endUnbegun(command, { stage: 'rejected', ms: 0, reason: refusal })
      return
    }
    const left_ms = command.left_ms - excess_ms
    if (left_ms <= 0) {
      const reason = `it lay ${Math.round(excess_ms)} ms on its way; nothing was done`
      endUnbegun(command, { stage: 'expired', ms: 0, reason })
      return
    }
    const work: Running = { command, received_ms, due_ms: received_ms + left_ms }
    running.set(command.command, work)
    stage(command, 'received', 0)
    last.set(command.device, after(last.get(command.device), work))
  }

  const after = async (before: Promise<void> | undefined, work: Running): Promise<void> => {
    await before
    await carryOut(work)
    if (!queued(work.command.device)) last.delete(work.command.device)
  }
  const queued = (device: string) => [...running.values()].some((work) => work.command.device === device)

  const isOlder = ({ epoch }: Command) => session !== undefined && compareEpochs(parseEpoch(epoch), session) < 0

  const refuse = (command: Command): string | undefined => {
    if (closing) return 'the hub is shutting down'
    if (isOlder(command)) {
      return `it was meant for session ${command.epoch}, which has ended`
    }
    if (running.size >= COMMANDS_WAITING_MAX) return `the hub is busy: ${running.size} commands are waiting`
    return undefined
  }

  /** Never rejects: whatever happens becomes the command's result. */
  const carryOut = async (work: Running): Promise<void> => {
    const { command, due_ms, received_ms } = work
    const finish = (how: Ended) => {
      running.delete(command.command)
      end(command, how)
    }
    const since_ms = () => clock.monotonic() - received_ms
    const expired = (where: string): Ended => {
      return { stage: 'expired', ms: since_ms(), reason: `its time ran out ${where}; nothing was done` }
    }
    if (clock.monotonic() >= due_ms) {
      endUnbegun(command, expired('behind other commands to this device'))
      return
    }
    try {
      await journal.begin(command.command, { hash: command.hash, device: command.device, issued: command.issued })
    } catch (error) {
      fault(error)
      endUnbegun(command, {
        stage: 'rejected',
        ms: since_ms(),
        reason: `not written down, so not done: ${messageOf(error)}`,
      })
      return
    }
    if (clock.monotonic() >= due_ms) {
      finish(expired('while it was written down'))
      return
    }
    finish(await actuate(command, due_ms, since_ms))
  }

  const actuate = async (command: Command, due_ms: number, since_ms: () => number): Promise<Ended> => {
    const patience = new AbortController()
    const cancel = clock.timer(due_ms + CONFIRM_GRACE_MS - clock.monotonic(), () => patience.abort())
    try {
      await devices.actuate(command.device, command.set, patience.signal)
      return { stage: 'executed', ms: since_ms() }
    } catch (error) {
      // Not knowing is not a no: only a device that surely did nothing makes it `rejected`.
      const unknown = !isProblem(error) || error.outcome === 'unknown'
      return { stage: unknown ? 'expired' : 'rejected', ms: since_ms(), reason: messageOf(error) }
    } finally {
      cancel()
    }
  }

  return {
    get waiting() {
      return running.size
    },
    begin(epoch) {
      session = epoch
      excess.reset()
    },
    listens() {
      excess.since(clock.monotonic())
    },
    receive(message) {
      if (message.type === 'clock') excess.take(clock.monotonic(), message.stamp)
      else receive(message)
    },
    async close() {
      closing = true
      await Promise.all(last.values())
    },
  }
}
