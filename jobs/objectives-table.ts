import { readdirSync, readFileSync } from 'node:fs'
import { uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { removeOf } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import { writeRows as asParquet, type Row } from '../lake/write-rows.ts'
import type { JobsOptions } from './jobs.ts'
import { eachOf, type Objective, parseObjectives } from './objective.ts'

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
 * The objectives of the YAML files of a folder, in the order of their names. Raises `invalid` for files that are not
 * understood, naming each, for a name that stands twice, and for a folder without any.
 */
export function readObjectives(
  folder: string,
  files: readonly string[],
  read: (file: string) => string,
): readonly Objective[] {
  const found = new Map<string, { readonly file: string; readonly objective: Objective }>()
  eachOf(files.filter((one) => /\.ya?ml$/.test(one)).toSorted(), (name) => {
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
  })
  if (found.size === 0) throw new Problem('invalid', `${folder}: expected objectives in files *.yaml; found none`)
  return [...found.values()].map(({ objective }) => objective)
}

type Options = Pick<JobsOptions, 'lake' | 'clock' | 'random' | 'writeRows'>

/** Gives a lake that was given none yet the objectives that come with Hearth. */
export async function giveDefaults(options: Options): Promise<void> {
  const table = await options.lake.ensureTable(OBJECTIVES_TABLE, DEFINITION)
  if ((await table.snapshot()).files.size > 0) return
  try {
    await applyObjectives(options, defaultObjectives())
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
  { lake, clock, random, writeRows = asParquet }: Options,
  objectives: readonly Objective[],
): Promise<number> {
  const table = await lake.ensureTable(OBJECTIVES_TABLE, DEFINITION)
  const base = await table.snapshot()
  const add = await writeRows({
    ...{ store: lake.store, prefix: table.prefix, columns: OBJECTIVES_COLUMNS, partitionValues: {}, random, clock },
    tags: { [UNIT_TAG]: OBJECTIVES_TABLE },
    rows: objectives.map(rowOf).toSorted((a, b) => (a.objective < b.objective ? -1 : 1)),
  })
  const removes = [...base.files.values()].map((file) => removeOf(file))
  const about = { id: uuid(random), kind: 'replace', base, txns: [], info: {} } as const
  const outcome = await table.commit({ ...about, adds: [add], removes })
  if (outcome.kind === 'committed') return outcome.version
  throw new Problem('conflict', 'other objectives were given meanwhile; look at them and give these again')
}

function rowOf({ name, ...promised }: Objective): Row & { readonly objective: string } {
  return { objective: name, ...promised }
}
