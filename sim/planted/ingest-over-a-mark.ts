import type { Plant } from '../plant.ts'

/** What was planned before a hub was erased is committed after it all the same. */
export const ingestOverAMark: Plant = {
  name: 'ingest over a mark',
  breaks: 'what is erased stays erased',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'ingest' || outcome.kind !== 'conflict') return outcome
      return outcome.reason.includes('mark of kind erase')
        ? await table.commit({ ...request, base: await table.snapshot() })
        : outcome
    },
  }),
}
