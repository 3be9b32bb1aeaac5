import { readdirSync, readFileSync } from 'node:fs'
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { removeOf } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import type { Lake } from '../lake/lake.ts'
import { literal } from '../lake/schema.ts'
import { writeFile } from '../lake/write.ts'
import { type Objective, parseObjectives } from './objective.ts'

/** What `slo_hours` is made of besides the fleet: a change is a version of it, and makes every hour due (docs/decisions/075). */
export const OBJECTIVES_TABLE = 'objectives'

export const OBJECTIVES_COLUMNS: readonly Column[] = [
  { name: 'objective', type: 'string', meaning: 'name of the objective' },
  { name: 'meaning', type: 'string', meaning: 'what it promises, in the words of its file' },
  { name: 'measure', type: 'string', meaning: 'availability, command_success, latency or loss' },
  { name: 'hop', type: 'string', meaning: 'measure latency: the duration, as latency_hours names it' },
  { name: 'threshold_ms', type: 'double', unit: 'ms', meaning: 'measure latency: good up to here' },
  { name: 'firmware', type: 'string', meaning: 'only hubs on this firmware; null for all' },
  { name: 'region', type: 'string', meaning: 'only hubs of this region; null for all' },
  { name: 'model', type: 'string', meaning: 'only hubs of this model; null for all' },
  { name: 'target', type: 'double', meaning: 'good ÷ total should be at least this' },
  { name: 'window_days', type: 'integer', unit: 'days', meaning: 'over this long, up to now' },
  { name: 'minimum_total', type: 'long', meaning: 'with a smaller total there is too little data to judge by' },
  {
    ...{ name: 'alert_minimum', type: 'long' },
    meaning: 'with a smaller total in the long window of an alert nobody is called; null: minimum_total',
  },
]

const DEFINITION = { columns: OBJECTIVES_COLUMNS, partition: [], description: 'what is promised, as last given' }

/** The objectives that come with Hearth. */
export function defaultObjectives(): readonly Objective[] {
  const folder = new URL('./objectives/', import.meta.url)
  return readObjectives('objectives', readdirSync(folder), (name) => readFileSync(new URL(name, folder), 'utf8'))
}

/**
 * The objectives of the YAML files of a folder, in the order of their names. Raises `invalid` for a file that is not
 * understood, for a name that stands twice, and for a folder without any.
 */
export function readObjectives(
  folder: string,
  files: readonly string[],
  read: (file: string) => string,
): readonly Objective[] {
  const found = new Map<string, { readonly file: string; readonly objective: Objective }>()
  for (const name of files.filter((one) => /\.ya?ml$/.test(one)).toSorted()) {
    const file = `${folder}/${name}`
    for (const objective of parseObjectives(file, read(name))) {
      const twice = found.get(objective.name)
      if (twice)
        throw new Problem(
          'invalid',
          `${file}: metadata.name: "${objective.name}" is the name of an objective of ${twice.file} too`,
        )
      found.set(objective.name, { file, objective })
    }
  }
  if (found.size === 0) throw new Problem('invalid', `${folder}: expected objectives in files *.yaml; found none`)
  return [...found.values()].map(({ objective }) => objective)
}

type Options = {
  readonly lake: Lake
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
}

/** Gives a lake that was given none yet the objectives that come with Hearth. */
export async function giveDefaults(options: Options, connect: () => Promise<DuckDBConnection>): Promise<void> {
  const table = await options.lake.ensureTable(OBJECTIVES_TABLE, DEFINITION)
  if ((await table.snapshot()).files.size > 0) return
  try {
    await applyObjectives(options, await connect(), defaultObjectives())
  } catch (error) {
    // Others were first.
    if (!isProblem(error, 'conflict')) throw error
  }
}

/**
 * Puts these objectives in the place of those that stand, in one commit; returns its version. Raises `conflict` when
 * others were given meanwhile.
 */
export async function applyObjectives(
  { lake, clock, random, scratch_folder }: Options,
  connection: DuckDBConnection,
  objectives: readonly Objective[],
): Promise<number> {
  const table = await lake.ensureTable(OBJECTIVES_TABLE, DEFINITION)
  const base = await table.snapshot()
  const rows = objectives.map((one) => `(${valuesOf(one).join(', ')})`)
  const names = OBJECTIVES_COLUMNS.map(({ name }) => name).join(', ')
  const add = await writeFile({
    ...{ connection, store: lake.store, prefix: table.prefix, columns: OBJECTIVES_COLUMNS, partitionValues: {} },
    configuration: base.configuration,
    ...{ sort: ['objective'], tags: { [UNIT_TAG]: OBJECTIVES_TABLE }, random, clock, scratch_folder },
    select: `SELECT * FROM (VALUES ${rows.join(', ')}) objectives(${names})`,
  })
  const removes = [...base.files.values()].map((file) => removeOf(file))
  const about = { id: uuid(random), kind: 'replace', base, txns: [], info: {} } as const
  const outcome = await table.commit({ ...about, adds: [add], removes })
  if (outcome.kind === 'committed') return outcome.version
  throw new Problem('conflict', 'other objectives were given meanwhile; look at them and give these again')
}

function valuesOf(objective: Objective): readonly (string | number)[] {
  const told = (value: string | undefined) => (value === undefined ? 'NULL' : literal(value))
  const { name, meaning, measure, hop, threshold_ms, firmware, region, model } = objective
  const scope = [told(firmware), told(region), told(model)]
  const judged = [objective.target, objective.window_days, objective.minimum_total, objective.alert_minimum]
  return [literal(name), literal(meaning), literal(measure), told(hop), threshold_ms ?? 'NULL', ...scope, ...judged]
}
