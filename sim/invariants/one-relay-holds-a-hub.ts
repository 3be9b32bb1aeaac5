import type { Invariant, RelaysEvidence } from '../evidence.ts'

/** Whatever befell the directory: once nothing does any more, one relay holds each hub, and the directory says which. */
export const oneRelayHoldsAHub: Invariant<RelaysEvidence> = {
  name: 'one relay holds a hub, and the directory says which',
  check: ({ places }) =>
    [...places]
      .filter(([, { holders, place }]) => holders.length !== 1 || holders[0] !== place)
      .map(
        ([hub, { holders, place }]) =>
          `${hub} is held by ${holders.join(' and ') || 'none'}; the directory has ${place}`,
      ),
}
