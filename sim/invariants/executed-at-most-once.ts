import type { ControlEvidence, Invariant } from '../evidence.ts'

/** A light is switched once for one tap, whatever is sent again, unless its hub lost its memory, and its relay too or another one issued it. */
export const executedAtMostOnce: Invariant<ControlEvidence> = {
  name: 'a command is executed at most once',
  check: ({ executions }) =>
    [...executions]
      .filter(
        ([, { times, forgotten, rolled_back, repeated }]) => times > 1 && !(rolled_back && (forgotten || repeated)),
      )
      .map(([id, { times }]) => `command ${id} was executed ${times} times`),
}
