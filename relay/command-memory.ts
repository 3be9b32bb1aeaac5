import type { Clock } from '../contract/clock.ts'
import { IDEMPOTENCY_WINDOW_MS } from '../contract/limits.ts'
import { isProblem } from '../contract/problem.ts'
import type { Command, LedgerEvent } from './command.ts'
import type { Ledger } from './command-core.ts'
import { FINISHED_IN_MEMORY_MAX, UNWRITTEN_MAX, UNWRITTEN_RETRY_MS } from './limits.ts'

/** Finished commands, the newest in memory and all that the disk still has; and the order of ledger writes. */
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
  /** In the order in which they finished. */
  const finished = new Map<string, Command>()
  let lost = 0
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

  const forgetOld = () => {
    const oldest_ms = clock.now() - IDEMPOTENCY_WINDOW_MS
    for (const [id, command] of finished) {
      if (finished.size <= FINISHED_IN_MEMORY_MAX && command.issued > oldest_ms) return
      finished.delete(id)
    }
  }

  /** A clock that jumps makes it look old before the disk has its outcome. */
  const kept = (id: string) => unwritten.flatMap(({ commands }) => commands).findLast((one) => one.id === id)

  return {
    begin: (command, events) => write(events, [command]),
    finish: (command, events) => {
      writeOrKeep(events, [command])
      finished.set(command.id, command)
      forgetOld()
    },
    note: (events) => {
      if (events.length > 0) writeOrKeep(events, [])
    },
    find: (id) => finished.get(id) ?? kept(id) ?? ledger.find(id),
    lost: () => lost,
    close() {
      cancelRetry?.()
      retry()
      cancelRetry?.()
    },
  }
}
