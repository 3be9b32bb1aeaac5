import type { Plant } from '../plant.ts'

/** An erasure takes the rows out, and sets no mark: what its outbox still holds, or sends again, is stored. */
export const erasureThatAnOutboxUndoes: Plant = {
  name: 'an erasure that an outbox undoes',
  breaks: 'what is erased stays erased',
  table: (table) => ({
    ...table,
    commit: (request) =>
      table.commit(request.kind === 'erase' && request.removes.length === 0 ? { ...request, txns: [] } : request),
  }),
}
