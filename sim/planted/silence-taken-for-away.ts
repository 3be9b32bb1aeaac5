import { isProblem, Problem } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** A relay that hears nothing of a command that it forwarded takes it for one that nobody has. */
export const silenceTakenForAway: Plant = {
  name: 'silence taken for away',
  breaks: 'each command has one outcome, and a true one',
  among_relays: true,
  peers: (peers) => ({
    at: (address) => ({
      ...peers.at(address),
      issue: async (command, answer) => {
        try {
          return await peers.at(address).issue(command, answer)
        } catch (error) {
          if (isProblem(error, 'unavailable')) throw new Problem('unavailable', error.message)
          throw error
        }
      },
    }),
  }),
}
