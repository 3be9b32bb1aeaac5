import type { ControlEvidence, Invariant } from '../evidence.ts'

const AT_ONCE_MS = 1

/** A command goes out in the session in which it was taken; when that ends first, it ends with it (relay.md, In order). */
export const sentInItsSession: Invariant<ControlEvidence> = {
  name: 'a command is sent in its session, or not at all',
  check: ({ sent, commands }) => [
    ...sent
      .filter(({ epoch, taken_in }) => epoch !== taken_in)
      .map(
        ({ command, epoch, taken_in }) => `command ${command} was taken in session ${taken_in}, and sent in ${epoch}`,
      ),
    ...commands
      .filter(({ offline_after_ms = 0 }) => offline_after_ms > AT_ONCE_MS)
      .map(
        ({ id, offline_after_ms }) => `command ${id} was offline only ${offline_after_ms} ms after its session ended`,
      ),
  ],
}
