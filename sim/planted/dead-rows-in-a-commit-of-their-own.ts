import type { Plant } from '../plant.ts'
import { addOf, decodeRows } from '../row-encoder.ts'

/** Keeps dead events as of a table of their own: what is dead in a batch follows in a commit after that of the batch. */
export const deadRowsInACommitOfTheirOwn: Plant = {
  name: 'dead rows in a commit of their own',
  breaks: 'ranges equal rows',
  table: (table, store) => ({
    ...table,
    async commit(request) {
      if (request.kind !== 'ingest') return await table.commit(request)
      const adds = []
      const later = []
      for (const add of request.adds) {
        const rows = decodeRows(await store.get(`events/${add.path}`))
        const [dead, living] = [rows.filter(({ kind }) => kind === 'dead'), rows.filter(({ kind }) => kind !== 'dead')]
        if (dead.length === 0) adds.push(add)
        else adds.push(await addOf(store, add.path.replace('.parquet', '-living.parquet'), living))
        if (dead.length > 0) later.push(await addOf(store, add.path.replace('.parquet', '-dead.parquet'), dead))
      }
      const outcome = await table.commit({ ...request, adds })
      if (outcome.kind !== 'committed' || later.length === 0) return outcome
      const dead = { ...request, id: `${request.id}-dead`, base: outcome.snapshot, adds: later, txns: [], info: {} }
      return await table.commit(dead)
    },
  }),
}
