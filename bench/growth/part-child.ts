/** One part of a run, in a process of its own. */
import { join } from 'node:path'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import { calculatePart } from '../../jobs/calculate-part.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLake } from '../../lake/lake.ts'
import { partTask } from './process-runner.ts'

const { place, now_ms, run, index } = partTask.parse(JSON.parse(process.argv[2] ?? ''))
const clock = { ...machineClock, now: () => now_ms }
const lake = await openLake({ store: openFolderStore(join(place, 'lake')), clock, random })
const scratch_folder = join(place, `scratch-${index}`)
const made = await calculatePart({ lake, clock, random, scratch_folder, metrics: catalogue() }, run, index)
process.stdout.write(JSON.stringify({ done: made !== undefined }))
