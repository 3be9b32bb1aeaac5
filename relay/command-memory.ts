import type { Clock } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import type { Command, LedgerEvent } from './command.ts'
import type { Ledger } from './command-core.ts'
import { OPEN_COMMANDS_MAX, UNWRITTEN_MAX, UNWRITTEN_RETRY_MS } from './limits.ts'

/**
 * Commands that the ledger has, and the order in which it is written. One that is answered is kept in no memory beside
 * it: it would grow old there, and commands that run wait while the collector goes through all that is old
 * (docs/decisions/129-the-collector-is-what-commands-wait-for.md).
 */
export type CommandMemory = {
  /** Writes a new command and its events. Raises `unavailable`: then it must not be sent. */
  begin(command: Command, events: readonly LedgerEvent[]): void
  /** Writes an outcome. A disk that refuses does not hold back the answer: the write is kept and tried again. */
  finish(command: Command, events: readonly LedgerEvent[]): void
  /** Writes events of a command that nobody here knows. */
  note(events: readonly LedgerEvent[]): void
  find(id: string): Command | undefined
  /** Writes that were dropped because the disk refused too many. */
  lost(): number
  /** Tries once more to write all that the disk refused, and then no more. */
  close(): void
}

/** Of what waits for the disk so much is written in one turn of the event loop, and the rest soon after. */
const WRITTEN_AT_ONCE = 200
const CATCH_UP_MS = 20

export function commandMemory(ledger: Ledger, clock: Clock): CommandMemory {
  let lost = 0
  const unwritten: { readonly events: readonly LedgerEvent[]; readonly command: Command | undefined }[] = []
  /** Of these, the commands: newer than what the disk has of them. */
  const kept = new Map<string, Command>()

  let cancelRetry: (() => void) | undefined

  /** Each is of one hub, so all or nothing, and is not written again when a later one fails. */
  const writeKept = (at_once = WRITTEN_AT_ONCE) => {
    for (let i = 0; i < at_once && unwritten[0]; i++) {
      const { events, command } = unwritten[0]
      ledger.write(events, command)
      unwritten.shift()
      // As it is now: what later ones change of it is written already.
      if (command && kept.get(command.id) === command) kept.delete(command.id)
    }
    if (unwritten.length > 0)
      throw new Problem('unavailable', 'the ledger is catching up with what a full disk refused; try again')
  }

  const write = (events: readonly LedgerEvent[], command: Command | undefined) => {
    writeKept()
    ledger.write(events, command)
  }

  const writeOrKeep = (events: readonly LedgerEvent[], command: Command | undefined) => {
    try {
      write(events, command)
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
      keep(events, command)
      // No command may come for long, and the process end before one does.
      cancelRetry ??= clock.timer(UNWRITTEN_RETRY_MS, retry)
    }
  }

  /** Nothing is issued meanwhile, so outcomes are about as many as were open; events of commands that nobody knows have no bound. */
  const keep = (events: readonly LedgerEvent[], command: Command | undefined) => {
    if (unwritten.length >= (command ? OPEN_COMMANDS_MAX : UNWRITTEN_MAX)) {
      lost++
      return
    }
    unwritten.push({ events, command })
    if (command) kept.set(command.id, command)
  }

  const retry = () => {
    cancelRetry = undefined
    const before = unwritten.length
    try {
      writeKept()
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
      cancelRetry = clock.timer(unwritten.length < before ? CATCH_UP_MS : UNWRITTEN_RETRY_MS, retry)
    }
  }

  return {
    begin: (command, events) => write(events, command),
    finish: (command, events) => writeOrKeep(events, command),
    note: (events) => {
      if (events.length > 0) writeOrKeep(events, undefined)
    },
    find: (id) => kept.get(id) ?? ledger.find(id),
    lost: () => lost,
    close() {
      cancelRetry?.()
      try {
        writeKept(unwritten.length)
      } catch (error) {
        if (!isProblem(error, 'unavailable')) throw error
      }
    },
  }
}
