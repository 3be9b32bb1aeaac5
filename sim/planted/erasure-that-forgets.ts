import type { Plant } from '../plant.ts'

/** An erasure takes rows out, and says nothing of it in the ranges: they count as there, and are not. */
export const erasureThatForgets: Plant = {
  name: 'an erasure that forgets what it took',
  breaks: 'ranges equal rows',
  table: (table) => ({
    ...table,
    commit: (request) => table.commit(request.kind === 'erase' ? { ...request, info: {} } : request),
  }),
}
