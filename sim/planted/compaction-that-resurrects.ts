import type { Plant } from '../plant.ts'

/** A compaction whose inputs another one has joined meanwhile takes out those that are left, and is committed again. */
export const compactionThatResurrects: Plant = {
  name: 'compaction that resurrects rows',
  breaks: 'nothing is doubled',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'compact' || outcome.kind !== 'conflict') return outcome
      const base = await table.snapshot()
      const removes = request.removes.filter(({ path }) => base.files.has(path))
      return await table.commit({ ...request, base, removes })
    },
  }),
}
