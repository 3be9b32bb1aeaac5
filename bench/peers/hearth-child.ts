/** Hearth's writer in a process of its own: from a log in Kafka to a lake in S3, one of each a line that it reads. */
import { createInterface } from 'node:readline'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { openKafkaLog } from '../../ingest/kafka-log.ts'
import { openWriting } from '../../ingest/writing.ts'
import { createLake } from '../../lake/lake.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { BUCKETS, hearthSetting, hearthTask } from './hearth.ts'

const { broker, endpoint, region, bucket } = hearthSetting.parse(JSON.parse(process.argv[2] ?? ''))
process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  const { topic, folder } = hearthTask.parse(JSON.parse(line))
  const store = openS3Store({ bucket, prefix: folder, endpoint, region, path_style: true, clock, random })
  const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: BUCKETS })
  const demands = { buckets: BUCKETS, replication: 1, min_insync: 1, make: false }
  const log = await openKafkaLog({ brokers: [broker], topic, lake_id: 'bench', clock, ...demands })
  const layout = { epoch: 1, buckets: BUCKETS }
  const writing = await openWriting({ lake, log, layout, clock, random, note: () => undefined })
  while (await writing.writer.commitOnce()) continue
  await writing.close()
  await log.close()
  process.stdout.write('done\n')
}
