import { machineClock } from '../cli/machine.ts'
import { scriptOptions } from '../cli/script-options.ts'
import { type Coverage, coverageTable, missedPairs } from './coverage.ts'
import { FAULTS } from './faults/all.ts'
import { INVARIANTS, RELAYS_INVARIANTS } from './invariants/all.ts'
import { PLANTS } from './planted/all.ts'
import { catchLine, caughtAt } from './planted/caught-at.ts'
import { simulate } from './simulate.ts'

/** So many runs see every fault strike every step that it can. */
const COVERED_SEEDS = 200

const options = {
  seeds: { type: 'string', default: '500' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  plant: { type: 'string' },
  plants: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const HELP = `The whole system in simulated worlds, each from a seed: the same seed gives the same run, to its last step.

  npm run sim -- [--seeds 500] [--from 1]      so many runs, and how often each fault struck each step; ends with code 1
                                               when a promise was broken or, from ${COVERED_SEEDS} seeds on, a pair never happened
  npm run sim -- --seed N [--trace]            one run again; with all that happened in it, line by line
  npm run sim -- --plant NAME [...]            either of these with a planted bug
  npm run sim -- --plants [--seeds 500]        each planted bug: the first seed at which a promise is seen broken, and
                                               which; ends with code 1 when one is not caught within so many seeds
  npm run sim -- --help                        this, and the names of faults, promises and planted bugs
`

const values = scriptOptions(options)
process.exitCode = values ? await main(values) : 2

async function main(values: NonNullable<ReturnType<typeof scriptOptions<typeof options>>>): Promise<number> {
  if (values.help) {
    const lists = {
      faults: FAULTS,
      promises: [...new Set([...INVARIANTS, ...RELAYS_INVARIANTS])],
      'planted bugs': PLANTS,
    }
    for (const [what, list] of Object.entries(lists))
      console.log(`${what === 'faults' ? HELP : ''}\n${what}:\n${list.map(({ name }) => `  ${name}`).join('\n')}`)
    return 0
  }
  const plant = PLANTS.find(({ name }) => name === values.plant)
  if (values.plant !== undefined && !plant) {
    console.error(`no planted bug ${values.plant}; there are ${PLANTS.map(({ name }) => name).join(', ')}`)
    return 2
  }
  const only = values.seed === undefined ? undefined : Number(values.seed)
  const first = only ?? Number(values.from)
  const count = only === undefined ? Number(values.seeds) : 1
  if (![first, count].every((number) => Number.isInteger(number) && number >= 1)) {
    console.error('--seeds, --from and --seed take a positive whole number')
    return 2
  }
  if (values.plants) return (await findPlants(count)) ? 0 : 1
  const coverage: Coverage = new Map()
  const started_ms = machineClock.monotonic()
  const failed: number[] = []
  let steps = 0
  for (let seed = first; seed < first + count; seed++) {
    const run = await simulate(seed, coverage, plant)
    steps += run.steps
    if (only !== undefined && values.trace) for (const line of run.lines) console.log(line)
    if (only !== undefined) console.log(`seed ${seed}: ${run.steps} steps, trace ${run.trace_hash}`)
    if (run.failures.length === 0) continue
    failed.push(seed)
    console.log(`\nseed ${seed} failed:`)
    for (const failure of run.failures.slice(0, 12)) console.log(`  ${failure}`)
    console.log(`  again: npm run sim -- --seed ${seed}${plant ? ` --plant '${plant.name}'` : ''} --trace`)
  }
  const took_s = (machineClock.monotonic() - started_ms) / 1000
  console.log(`\n${coverageTable(coverage, FAULTS)}\n`)
  console.log(
    `${count} seeds, ${steps} steps in ${took_s.toFixed(1)} s; ${failed.length} failed ${failed.slice(0, 20).join(' ')}`,
  )
  const missed = only === undefined && count >= COVERED_SEEDS ? missedPairs(coverage, FAULTS) : []
  for (const pair of missed) console.log(`never happened: ${pair}`)
  return failed.length > 0 || missed.length > 0 ? 1 : 0
}

async function findPlants(seeds: number): Promise<boolean> {
  const caught = []
  for (const plant of PLANTS) {
    const at = await caughtAt(plant, seeds)
    console.log(catchLine(plant, at))
    if (at !== undefined) caught.push(at)
  }
  console.log(`\n${caught.length} of ${PLANTS.length} planted bugs were caught within ${seeds} seeds`)
  return caught.length === PLANTS.length
}
