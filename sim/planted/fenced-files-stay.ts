import type { Plant } from '../plant.ts'

/** A bucket that another writer has taken leaves the attempt, and its files stay in the commit. */
export const fencedFilesStay: Plant = {
  name: 'files of a fenced bucket stay',
  breaks: 'nothing is doubled',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'ingest' || outcome.kind !== 'fenced') return outcome
      const txns = request.txns.filter(({ appId }) => !outcome.appIds.includes(appId))
      return txns.length === 0 ? outcome : await table.commit({ ...request, txns })
    },
  }),
}
