import type { Invariant, RelaysEvidence } from '../evidence.ts'

/** A command is issued by the relay that holds its hub alone: for each time that a relay is asked, one at most, where no way between relays broke over it. */
export const askedOnceIsIssuedOnce: Invariant<RelaysEvidence> = {
  name: 'what is asked once is issued by one relay',
  check: ({ asks }) =>
    [...asks]
      .filter(([, { times, issuers, broken }]) => issuers.length > times && !broken)
      .map(
        ([id, { times, issuers }]) => `command ${id} was asked for ${times} times, and issued by ${issuers.join(', ')}`,
      ),
}
