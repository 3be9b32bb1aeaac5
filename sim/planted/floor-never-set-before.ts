import type { Plant } from '../plant.ts'

/** A vacuum expects that no floor was ever set: from its second on it is told to come again, for ever. */
export const floorNeverSetBefore: Plant = {
  name: 'a floor that was never set before',
  breaks: 'every process goes on',
  table: (table) => ({
    ...table,
    async commit(request) {
      if (request.kind !== 'floor') return await table.commit(request)
      return await table.commit({ ...request, txns: request.txns.map((txn) => ({ ...txn, expected: undefined })) })
    },
  }),
}
