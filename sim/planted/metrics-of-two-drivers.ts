import type { Plant } from '../plant.ts'

/** A run whose units others have made meanwhile takes out what is left of what it replaces, and is committed all the same. */
export const metricsOfTwoDrivers: Plant = {
  name: 'metrics of two drivers',
  breaks: 'metrics equal a recompute',
  table: (table) => ({
    ...table,
    async commit(request) {
      const outcome = await table.commit(request)
      if (request.kind !== 'replace' || outcome.kind !== 'conflict') return outcome
      const base = await table.snapshot()
      const removes = request.removes.filter(({ path }) => base.files.has(path))
      return await table.commit({ ...request, kind: 'compact', base, removes })
    },
  }),
}
