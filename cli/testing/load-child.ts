/** A load as a process of its own: `node load-child.ts PLAN SEED`. SIGTERM ends it, when all is acknowledged; it prints its counts. */
import { readFileSync } from 'node:fs'
import { seededRandom } from '../../sim/clock.ts'
import { machineClock } from '../machine.ts'
import { type LoadPlan, runLoad } from './load.ts'

const [path = '', seed = '1'] = process.argv.slice(2)
const plan: LoadPlan = JSON.parse(readFileSync(path, 'utf8'))
const ending = new AbortController()
process.on('SIGTERM', () => ending.abort())
const counts = await runLoad(plan, machineClock, seededRandom(Number(seed)), ending.signal)
process.stdout.write(`${JSON.stringify(counts)}\n`)
