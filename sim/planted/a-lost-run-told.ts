import type { Plant } from '../plant.ts'

/** A run that lost to others is told as if it had been committed. */
export const aLostRunTold: Plant = {
  name: 'a lost run told',
  breaks: 'what runs tell is true',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'replace' || outcome.kind !== 'conflict') return outcome
      const snapshot = await table.snapshot()
      return { kind: 'committed', version: snapshot.version, snapshot, attempts: 1, rebased: 0 }
    },
  }),
}
