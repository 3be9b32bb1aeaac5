import type { Invariant } from '../evidence.ts'

/** Nothing that the world does ends a process for good, or makes it say what is not so. */
export const everyProcessGoesOn: Invariant = {
  name: 'every process goes on',
  check: ({ bugs }) => bugs,
}
