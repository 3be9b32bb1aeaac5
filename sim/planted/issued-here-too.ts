import { leaveFault } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** A relay that does not hold the hub puts the command on its own record as well, before it forwards it. */
export const issuedHereToo: Plant = {
  name: 'issued here too',
  breaks: 'what is asked once is issued by one relay',
  among_relays: true,
  cluster: (cluster, core) => ({
    ...cluster,
    issue(request, answer) {
      const issued = cluster.issue(request, answer)
      try {
        if (!('command' in issued)) core.issue(request, { offline: 'planted' })
      } catch (error) {
        leaveFault(error)
      }
      return issued
    },
  }),
}
