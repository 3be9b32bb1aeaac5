import type { Plant } from '../plant.ts'

/** What a commit would have added to the ranges counts as received, though the commit did not happen. */
export const rangesBeforeTheCommit: Plant = {
  name: 'ranges adopted before the commit',
  breaks: 'nothing acknowledged is missing',
  table: (table) => {
    const early: unknown[] = []
    return {
      ...table,
      async commit(request) {
        const outcome = await table.commit(request)
        if (outcome.kind !== 'committed' && request.info['ranges']) early.push(request.info['ranges'])
        return outcome
      },
      async *history(from) {
        for await (const version of table.history(from)) {
          yield version
          for (const ranges of early) yield { ...version, info: { id: '', kind: 'ingest', ranges } }
        }
      },
    }
  },
}
