import type { Plant } from '../plant.ts'

/** Commits the rows, and then where the log stands in a commit of its own. */
export const offsetOutsideCommit: Plant = {
  name: 'offset outside the commit',
  breaks: 'positions are contiguous',
  table: (table) => ({
    ...table,
    async commit(request) {
      const rows = await table.commit({ ...request, txns: [] })
      if (rows.kind !== 'committed') return rows
      const { ranges: _, ...info } = request.info
      return table.commit({ ...request, id: `${request.id}-offset`, base: rows.snapshot, adds: [], info })
    },
  }),
}
