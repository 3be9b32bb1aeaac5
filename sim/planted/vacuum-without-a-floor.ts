import type { Plant } from '../plant.ts'

/** Deletes what is old and in no version, and its commit sets no mark: who uploaded it and slept commits its name all the same. */
export const vacuumWithoutAFloor: Plant = {
  name: 'vacuum without a floor',
  breaks: 'what is needed is there',
  table: (table) => ({
    ...table,
    commit: (request) => table.commit(request.kind === 'floor' ? { ...request, txns: [] } : request),
  }),
}
