import type { Clock } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import type { Command, LedgerEvent } from './command.ts'
import type { Ledger } from './command-core.ts'
import { EXPIRED_IN_MEMORY_MAX, UNWRITTEN_MAX, UNWRITTEN_RETRY_MS } from './limits.ts'

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
  /** Tries once more to write what the disk refused, and then no more. */
  close(): void
}

export function commandMemory(ledger: Ledger, clock: Clock): CommandMemory {
  let lost = 0
  /** May be answered still; the ledger does not tell when they were sent by the monotonic clock. */
  const expired = new Map<string, Command>()
  const unwritten: { readonly events: readonly LedgerEvent[]; readonly commands: readonly Command[] }[] = []

  let cancelRetry: (() => void) | undefined

  const write = (events: readonly LedgerEvent[], commands: readonly Command[]) => {
    // One after the other: each is of one hub, so all or nothing, and is not written again when a later one fails.
    for (let first = unwritten[0]; first; first = unwritten[0]) {
      ledger.write(first.events, first.commands)
      unwritten.shift()
    }
    if (events.length + commands.length > 0) ledger.write(events, commands)
  }

  const writeOrKeep = (events: readonly LedgerEvent[], commands: readonly Command[]) => {
    try {
      write(events, commands)
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
      if (events.length + commands.length > 0) unwritten.push({ events, commands })
      // No command may come for long, and the process end before one does.
      cancelRetry ??= clock.timer(UNWRITTEN_RETRY_MS, retry)
      if (unwritten.length <= UNWRITTEN_MAX) return
      unwritten.shift()
      lost++
    }
  }

  const retry = () => {
    cancelRetry = undefined
    if (unwritten.length > 0) writeOrKeep([], [])
  }

  /** What the disk refused is newer than what it has. */
  const kept = (id: string) => unwritten.flatMap(({ commands }) => commands).findLast((one) => one.id === id)

  return {
    begin: (command, events) => write(events, [command]),
    finish: (command, events) => {
      writeOrKeep(events, [command])
      if (command.outcome === 'expired') remember(expired, command.id, command, EXPIRED_IN_MEMORY_MAX)
      else expired.delete(command.id)
    },
    note: (events) => {
      if (events.length > 0) writeOrKeep(events, [])
    },
    find: (id) => expired.get(id) ?? kept(id) ?? ledger.find(id),
    lost: () => lost,
    close() {
      cancelRetry?.()
      retry()
      cancelRetry?.()
    },
  }
}
