import type { Plant } from '../plant.ts'

/** Deletes what is old and in no version, and sets no mark: who uploaded it and slept commits its name all the same. */
export const vacuumWithoutAFloor: Plant = {
  name: 'vacuum without a floor',
  breaks: 'what is needed is there',
  table: (table) => ({
    ...table,
    async commit(request) {
      if (request.kind !== 'floor') return await table.commit(request)
      const snapshot = await table.snapshot()
      return { kind: 'committed', version: snapshot.version, snapshot, attempts: 1, rebased: 0 }
    },
  }),
}
