import type { Plant } from '../plant.ts'

/** Sets where the table stands without comparing where it stood. */
export const positionNotCompared: Plant = {
  name: 'position not compared',
  breaks: 'positions are contiguous',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'ingest' || outcome.kind !== 'fenced') return outcome
      const { txns } = await table.snapshot()
      return await table.commit({
        ...request,
        txns: request.txns.map((txn) => ({ ...txn, expected: txns.get(txn.appId) })),
      })
    },
  }),
}
