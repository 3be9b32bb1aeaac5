import type { Invariant } from '../evidence.ts'

/** A file of the table is there, and for a while after it left it. */
export const whatIsNeededIsThere: Invariant = {
  name: 'what is needed is there',
  check: ({ gone, readings }) => [
    ...gone.map((path) => `${path} is of the table, and is gone`),
    ...readings.flatMap(({ who, snapshot, gone: path }) =>
      path === undefined
        ? []
        : [`${who} could not read ${path} of version ${snapshot.version}, which it had just opened`],
    ),
  ],
}
