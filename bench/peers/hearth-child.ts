/**
 * Hearth's writer in a process of its own: from a log in Kafka to a lake in S3, one of each a line that it reads. Its thread
 * stays from one to the next, warm, as that of a writer which runs for months.
 */
import { createInterface } from 'node:readline'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { EVENTS_TABLE } from '../../contract/events-table.ts'
import { openEventEncoder, startEncoding } from '../../ingest/event-encoder.ts'
import { openKafkaLog } from '../../ingest/kafka-log.ts'
import { openWriter } from '../../ingest/writer.ts'
import { createLake } from '../../lake/lake.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { BUCKETS, hearthSetting, hearthTask } from './hearth.ts'

const { broker, endpoint, region, bucket } = hearthSetting.parse(JSON.parse(process.argv[2] ?? ''))
const thread = await startEncoding(BUCKETS)
process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  const { topic, folder } = hearthTask.parse(JSON.parse(line))
  const store = openS3Store({ bucket, prefix: folder, endpoint, region, path_style: true, clock, random })
  const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: BUCKETS })
  const demands = { buckets: BUCKETS, replication: 1, min_insync: 1, make: false }
  const log = await openKafkaLog({ brokers: [broker], topic, lake_id: 'bench', clock, ...demands })
  const layout = { epoch: 1, buckets: BUCKETS }
  const common = { store, clock, random }
  const encoder = openEventEncoder({ ...common, buckets: BUCKETS, logId: () => log.id, start: async () => thread })
  const writer = await openWriter({
    ...{ ...common, log, table: await lake.table(EVENTS_TABLE), layout, encoder, note: () => undefined },
    ...{ recordLoss: () => Promise.reject(new Error('nothing was lost here')), recordedGaps: async () => new Map() },
  })
  while (await writer.commitOnce()) continue
  await log.close()
  process.stdout.write('done\n')
}
await thread.close()
