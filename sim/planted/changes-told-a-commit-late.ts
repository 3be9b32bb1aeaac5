import type { Plant } from '../plant.ts'

/** A commit of a metric tells which hours changed in the one before it. */
export const changesToldACommitLate: Plant = {
  name: 'changes told a commit late',
  breaks: 'metrics equal a recompute',
  table: (table) => {
    let before: unknown
    return {
      ...table,
      async commit(request) {
        if (request.kind !== 'replace' || table.name === 'objectives') return await table.commit(request)
        const { touched } = request.info
        const late = before ?? { hours: [], issued: [], registry: [] }
        before = touched
        return await table.commit({ ...request, info: { ...request.info, touched: late } })
      },
    }
  },
}
