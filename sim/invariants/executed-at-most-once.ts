import type { Invariant } from '../evidence.ts'

/** A light is switched once for one tap, whatever is sent again, unless both its hub and its relay lost their memory. */
export const executedAtMostOnce: Invariant = {
  name: 'a command is executed at most once',
  check: ({ executions }) =>
    [...executions]
      .filter(([, { times, forgotten, rolled_back }]) => times > 1 && !(forgotten && rolled_back))
      .map(([id, { times }]) => `command ${id} was executed ${times} times`),
}
