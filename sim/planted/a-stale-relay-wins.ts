import type { Plant } from '../plant.ts'

/** The directory takes every claim, so that a relay whose hub has moved takes it back when it claims anew. */
export const aStaleRelayWins: Plant = {
  name: 'a stale relay wins',
  breaks: 'a place is of the newest session, by its hub’s own epoch',
  among_relays: true,
  directory: (directory, shared) => ({
    ...directory,
    async claim(hub, epoch) {
      const others = new Map(shared.copy())
      others.delete(hub)
      shared.restore(others)
      return await directory.claim(hub, epoch)
    },
  }),
}
