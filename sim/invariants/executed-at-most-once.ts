import type { Invariant } from '../evidence.ts'

/** A light is switched once for one tap, whatever is sent again. */
export const executedAtMostOnce: Invariant = {
  name: 'a command is executed at most once',
  check: ({ executions }) =>
    [...executions]
      .filter(([, { times }]) => times > 1)
      .map(([id, { times }]) => `command ${id} was executed ${times} times`),
}
