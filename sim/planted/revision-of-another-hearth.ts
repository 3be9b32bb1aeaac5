import { NEW_METRICS } from '../plain-metrics.ts'
import type { Plant } from '../plant.ts'
import { rewritten } from './ledger-tags.ts'

/** The ledger says that units are of the newest definition, whoever made them. */
export const revisionOfAnotherHearth: Plant = {
  name: 'revision of another Hearth',
  breaks: 'metrics equal a recompute',
  table: (table) => ({
    ...table,
    commit: (request) =>
      table.commit({
        ...request,
        adds: request.adds.map((add) =>
          rewritten(add, (hours) => {
            hours.revision = NEW_METRICS.find(({ name }) => name === table.name)?.revision ?? 1
          }),
        ),
      }),
  }),
}
