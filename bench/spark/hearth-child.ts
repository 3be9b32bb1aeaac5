/** Hearth's jobs in a process of their own: over one lake a line that it reads, from plan to commit. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { machineRandom as random } from '../../cli/machine.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { openJobs } from '../../jobs/jobs.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLake } from '../../lake/lake.ts'
import { ManualClock } from '../../sim/clock.ts'
import { AFTER_MS, DAY_MS } from './day.ts'
import { isMeasured } from './measured.ts'

const clock = new ManualClock(AFTER_MS)
for await (const folder of createInterface({ input: process.stdin })) {
  const lake = await openLake({ store: openFolderStore(folder), clock, random })
  const metrics = catalogue().filter(isMeasured)
  await using jobs = await openJobs({
    ...{ lake, clock, random, metrics, threads: 2, scratch_folder: join(folder, '..', 'scratch') },
  })
  await jobs.run({ only: { from_ms: DAY_MS, to_ms: DAY_MS + 86_400_000 } })
  process.stdout.write('done\n')
}
