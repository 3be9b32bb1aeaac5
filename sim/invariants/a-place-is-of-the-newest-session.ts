import { compareEpochs, parseEpoch } from '../../contract/source.ts'
import type { Invariant, RelaysEvidence } from '../evidence.ts'

/** A lower epoch never replaces a higher one in the directory, and no epoch is there that its hub never said (relay.md, Many relays). */
export const aPlaceIsOfTheNewestSession: Invariant<RelaysEvidence> = {
  name: 'a place is of the newest session, by its hub’s own epoch',
  check: ({ claims, epochs }) =>
    claims.flatMap(({ hub, epoch, before }) => [
      ...(before !== undefined && compareEpochs(parseEpoch(epoch), parseEpoch(before)) < 0
        ? [`${hub} was claimed in ${epoch}, after ${before}`]
        : []),
      ...(epochs.get(hub)?.has(epoch) ? [] : [`${hub} was claimed in ${epoch}, in which it never connected`]),
    ]),
}
