/** A day of a metric by Hearth, in a process of its own: what it makes goes into a folder over the lake. */
import { join } from 'node:path'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import { DAY_MS } from '../../jobs/day.ts'
import { openJobs } from '../../jobs/jobs.ts'
import { HOUR_MS } from '../../jobs/limits.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLake } from '../../lake/lake.ts'
import { overlayStore } from '../../lake/overlay-store.ts'
import { timed } from '../child.ts'
import { jobsTask, METRIC, THREADS } from './measured.ts'
import { rowsIn } from './rows-in.ts'

const { lake: folder, out, now_ms, day_ms, hour_ms } = jobsTask.parse(JSON.parse(process.argv[2] ?? ''))
const clock = { ...machineClock, now: () => now_ms }
const store = overlayStore(openFolderStore(folder), openFolderStore(join(out, 'lake')))
const lake = await openLake({ store, clock, random })
await using jobs = await openJobs({ lake, clock, random, scratch_folder: join(out, 'scratch'), threads: THREADS })
// Once over another metric, as a scheduler's process that is at work: DuckDB is open, V8 has compiled.
await jobs.run({ metrics: ['hubs'] })
// What is by hand makes nothing of the hour that runs.
const only =
  hour_ms === undefined ? { from_ms: day_ms, to_ms: day_ms + DAY_MS } : { from_ms: hour_ms, to_ms: hour_ms + HOUR_MS }
const timing = await timed(async () => void (await jobs.run({ metrics: [METRIC], only })))
const rows = await rowsIn(join(out, 'lake', METRIC, '**/*.parquet'))
process.stdout.write(JSON.stringify({ ...timing, rows, rss_mb: process.resourceUsage().maxRSS / 1024 }))
