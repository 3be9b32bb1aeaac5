import type { ControlEvidence, Invariant } from '../evidence.ts'

/**
 * Nothing that the world does ends a process for good, leaves it trying for ever once the world does nothing more, or makes
 * it say what is not so.
 */
export const everyProcessGoesOn: Invariant<ControlEvidence> = {
  name: 'every process goes on',
  check: ({ bugs }) => bugs,
}
