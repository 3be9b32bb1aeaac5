/**
 * Compacts, vacuums and cleans the tables of the lake that the environment names, one after the other for ever, with
 * retentions of seconds: `node upkeep-child.ts SCRATCH RETENTION_MS`. Prints a line when it begins.
 */
import { configSchema } from '../../cli/config.ts'
import { existingLake } from '../../cli/fleet.ts'
import { loadConfig } from '../../cli/load-config.ts'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { openUpkeep } from '../../cli/upkeep.ts'
import { sleep } from '../../contract/clock.ts'
import { EVENTS_TABLE } from '../../contract/events-table.ts'
import { isProblem } from '../../contract/problem.ts'

const [scratch_folder = '', retention = '8000'] = process.argv.slice(2)
const PAUSE_MS = 500
/** What an hour is to it: files are joined once they are so old. */
const HOUR_MS = 1_000

const home = process.env.HEARTH_HOME ?? ''
const done = { compact: 0, vacuum: 0, 'clean-log': 0, failed: 0 }
process.stdout.write('{"event":"ready"}\n')
const upkeep = await untilDone('open', open)
/** Events each time, the others in turn: what sleeps through their retention are above all the writers. */
for (let round = 0; ; round++) {
  const others = (await untilDone('tables', () => upkeep.tables())).filter((name) => name !== EVENTS_TABLE)
  await lookAfter(EVENTS_TABLE)
  const other = others[round % Math.max(1, others.length)]
  if (other) await lookAfter(other)
  process.stdout.write(`${JSON.stringify({ event: 'done', ...done })}\n`)
  await sleep(clock, PAUSE_MS)
}

async function lookAfter(table: string): Promise<void> {
  done.compact += (await attempt('compact', async () => (await upkeep.compact(table)).joined)) ?? 0
  done.vacuum += (await attempt('vacuum', async () => (await upkeep.vacuum(table)).files.length)) ?? 0
  done['clean-log'] += (await attempt('clean-log', async () => (await upkeep.cleanLog(table)).objects.length)) ?? 0
}

async function open() {
  const lake = await existingLake({ home, config: loadConfig(home, process.env, home), clock, random })
  const hours = Number(retention) / 3_600_000
  const { upkeep, retention: kept } = configSchema.parse({})
  return openUpkeep({
    ...{ lake, clock, random, scratch_folder, hour_ms: HOUR_MS, retention: kept },
    config: {
      ...upkeep,
      closed_after_hours: 0,
      retention_hours: hours,
      log_retention_hours: hours,
    },
  })
}

/** Of the world's faults it is told. */
async function attempt<T>(task: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isProblem(error)) throw error
    done.failed++
    process.stdout.write(`${JSON.stringify({ event: 'failed', task, kind: error.kind, reason: error.message })}\n`)
    return undefined
  }
}

async function untilDone<T>(task: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const found = await attempt(task, work)
    if (found !== undefined) return found
    await sleep(clock, PAUSE_MS)
  }
}
