import type { Plant } from '../plant.ts'

/** Each gateway deals batches out to the buckets as it likes, so that a batch that is sent again comes to another. */
export const bucketOfTheGateway: Plant = {
  name: 'bucket of the gateway',
  breaks: 'the first in the log is stored',
  log: (log, who) => ({
    ...log,
    append: (bucket, record) => log.append(who === 'gateway-2' ? (bucket + 1) % log.buckets : bucket, record),
  }),
}
