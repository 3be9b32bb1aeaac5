/** The ingest writer in a process of its own: from the event log in the folder to committed Parquet in its `lake`. */
import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { openEventEncoder } from '../../ingest/event-encoder.ts'
import { openSqliteLog } from '../../ingest/sqlite-log.ts'
import { openWriter } from '../../ingest/writer.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import { timed } from '../child.ts'
import { LAYOUT, writerTask } from './measured.ts'

const { folder } = writerTask.parse(JSON.parse(process.argv[2] ?? ''))
const store = openFolderStore(join(folder, 'lake'))
const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: LAYOUT.buckets })
const log = await openSqliteLog(join(folder, 'log.db'), { buckets: LAYOUT.buckets, clock, random })
const encoder = openEventEncoder({
  ...{ store, logId: () => log.id, buckets: LAYOUT.buckets, clock, random },
})
const writer = await openWriter({
  ...{ log, table: await lake.table('events'), store, layout: LAYOUT, encoder, clock, random },
  recordLoss: (loss) => Promise.reject(new Error(loss.reason)),
  note: () => undefined,
})
const measured = await timed(async () => {
  while (await writer.commitOnce()) continue
})
await encoder.close()
await log.close()
process.stdout.write(JSON.stringify(measured))
