import { isProblem } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** A join of which nobody knows whether it was committed counts as one that was not, and its file is taken back. */
export const unknownTakenForRefused: Plant = {
  name: 'unknown taken for refused',
  breaks: 'what is needed is there',
  table: (table) => ({
    ...table,
    async commit(request) {
      try {
        return await table.commit(request)
      } catch (error) {
        if (request.kind !== 'compact' || !isProblem(error) || error.outcome !== 'unknown') throw error
        return { kind: 'conflict', reason: error.message }
      }
    },
  }),
}
