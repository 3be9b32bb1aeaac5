import type { Plant } from '../plant.ts'
import { rewritten } from './ledger-tags.ts'

/** The ledger says that units were made from the versions of the inputs as of the commit, not as of when they were read. */
export const madeOfTheNewestInput: Plant = {
  name: 'made of the newest input',
  breaks: 'metrics equal a recompute',
  table: (table, store) => ({
    ...table,
    async commit(request) {
      if (request.kind !== 'replace') return await table.commit(request)
      const newest = new Map<string, number>()
      for (const name of ['events', 'hub_counts']) {
        const paths: string[] = []
        for await (const { path } of store.list(`${name}/_delta_log/`)) if (path.endsWith('.json')) paths.push(path)
        newest.set(name, Number(paths.at(-1)?.slice(-25, -5)))
      }
      const adds = request.adds.map((add) =>
        rewritten(add, (hours) => {
          for (const name of Object.keys(hours.inputs)) hours.inputs[name] = newest.get(name) ?? -1
        }),
      )
      return await table.commit({ ...request, adds })
    },
  }),
}
