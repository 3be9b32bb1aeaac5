import { parseArgs } from 'node:util'
import { machineClock } from '../cli/machine.ts'
import { messageOf } from '../contract/problem.ts'
import { type Coverage, coverageTable, missedPairs } from './coverage.ts'
import { FAULTS } from './faults/all.ts'
import { PLANTS } from './planted/all.ts'
import { caughtAt } from './planted/caught-at.ts'
import { simulate } from './simulate.ts'

const options = {
  seeds: { type: 'string', default: '500' },
  from: { type: 'string', default: '1' },
  seed: { type: 'string' },
  plant: { type: 'string' },
  plants: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
} as const

const values = valuesGiven()
process.exitCode = values ? await main(values) : 2

/** The options as they were given; undefined for wrong use, which was told. */
function valuesGiven() {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    const names = Object.keys(options).map((name) => `--${name}`)
    console.error(`${messageOf(error)}; there are ${names.join(', ')}`)
    return undefined
  }
}

/**
 * `npm run sim -- --seeds 500 [--from N]`: runs that many seeds. `--seed N [--trace]`: one of them again, with what happened.
 * `--plant NAME`: with a planted bug. `--plants`: within so many seeds each of them must be caught.
 */
async function main(values: NonNullable<ReturnType<typeof valuesGiven>>): Promise<number> {
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
  const missed = only === undefined && count >= 100 ? missedPairs(coverage, FAULTS) : []
  for (const pair of missed) console.log(`never happened: ${pair}`)
  return failed.length > 0 || missed.length > 0 ? 1 : 0
}

async function findPlants(seeds: number): Promise<boolean> {
  let all = true
  for (const plant of PLANTS) {
    const seed = await caughtAt(plant, seeds)
    all &&= seed !== undefined
    const where = seed === undefined ? `not caught within ${seeds} seeds` : `caught at seed ${seed}`
    console.log(`${plant.name}: ${where} by "${plant.breaks}"`)
  }
  return all
}
