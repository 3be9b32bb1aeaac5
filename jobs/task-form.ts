import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import { addFile } from '../lake/action.ts'
import type { Lake } from '../lake/lake.ts'
import type { Made, Pinned, Task } from './calculate.ts'
import type { Catalogue } from './catalogue.ts'
import { cellsOf } from './ledger.ts'
import type { Metric } from './metric.ts'
import { partsOf } from './parts.ts'
import type { Cause, Unit } from './plan.ts'
import { unitKey } from './touched.ts'

/** A task and what came of it as texts, for a calculation in another process: the versions that it reads instead of tables. */
const FORM_VERSION = 1

const whole = z.number().int()
const units = z.array(z.tuple([whole, whole, z.string()]))
const taskForm = z.object({
  hearth_task: z.literal(FORM_VERSION),
  metric: z.string(),
  /** Of the metric: what calculates must have the same. */
  definition: z.string(),
  now_ms: whole,
  standing: whole,
  inputs: z.record(z.string(), whole),
  versions: z.record(z.string(), whole),
  units,
  last_ms: whole.optional(),
  /** Most parts that it is calculated in. */
  parts: whole.min(1),
})
const madeForm = z.object({
  hearth_made: z.literal(FORM_VERSION),
  metric: z.string(),
  definition: z.string(),
  units,
  changed: z.array(z.tuple([whole, whole])),
  adds: z.array(addFile),
  /** By path: files of the standing version. */
  removes: z.array(z.string()),
  rows: whole,
  /** What is damaged, where days were left out. */
  damage: z.string().optional(),
})

const refusedForm = z.object({
  hearth_refused: z.literal(FORM_VERSION),
  metric: z.string(),
  kind: z.enum(['corrupt', 'missing']),
  message: z.string(),
})

const pairsOf = (list: readonly Unit[]) => list.map(({ hour_ms, bucket, cause }) => [hour_ms, bucket, cause])
const unitsOf = (metric: string, list: z.infer<typeof units>): readonly Unit[] =>
  list.map(([hour_ms, bucket, cause]) => ({ metric, hour_ms, bucket, cause: cause as Cause }))

export function encodeTask(
  { metric, now_ms, standing, inputs, versions, units: due, last_ms }: Task,
  parts: number,
): string {
  const versionOf = Object.fromEntries([...inputs].map(([name, { snapshot }]) => [name, snapshot.version]))
  const about = { hearth_task: FORM_VERSION, metric: metric.name, definition: metric.file_hash, now_ms }
  return JSON.stringify({
    ...about,
    standing: standing.snapshot.version,
    inputs: versionOf,
    versions,
    units: pairsOf(due),
    ...(last_ms !== undefined && { last_ms }),
    parts,
  })
}

/**
 * The task of a text, over the lake as it was, whole and in parts; `known` is it where it is at hand. Raises `invalid` for a
 * text that is none, and for one that another definition of the metric is to make; what the tables raise else.
 */
export async function openTask(
  lake: Lake,
  metrics: Catalogue,
  text: string,
  known?: Task,
): Promise<{ readonly task: Task; readonly parts: readonly Task[] }> {
  const told = read(taskForm, text, 'a task of jobs')
  const metric = metrics.find(({ name }) => name === told.metric)
  if (metric?.file_hash !== told.definition) {
    const found = metric ? `its definition is ${metric.file_hash} here` : 'it is not known here'
    throw new Problem('invalid', `a task of ${told.metric} ${told.definition}: ${found}: use the same Hearth for all`)
  }
  const task = known ?? (await pinned(lake, metric, told))
  return { task, parts: partsOf(task, told.parts) }
}

/** What a text is about, for people, without a look at tables. Raises `invalid` for a text that is no task. */
export function aboutTask(
  metrics: Catalogue,
  text: string,
): { readonly metric: string; readonly units: number; readonly parts: number } {
  const told = read(taskForm, text, 'a task of jobs')
  const metric = metrics.find(({ name }) => name === told.metric)
  const parts = metric && partsOf({ metric, units: unitsOf(told.metric, told.units) }, told.parts).length
  return { metric: told.metric, units: told.units.length, parts: parts ?? told.parts }
}

async function pinned(lake: Lake, metric: Metric, told: z.infer<typeof taskForm>): Promise<Task> {
  const pin = async (name: string, version: number): Promise<Pinned> => {
    const table = await lake.table(name)
    return { prefix: table.prefix, snapshot: await table.snapshot({ version }) }
  }
  const standing = await pin(metric.name, told.standing)
  const inputs = new Map<string, Pinned>()
  for (const [name, version] of Object.entries(told.inputs)) inputs.set(name, await pin(name, version))
  const { now_ms, versions, last_ms } = told
  const cells = cellsOf(metric, standing.snapshot)
  const more = last_ms === undefined ? {} : { last_ms }
  return { metric, now_ms, units: unitsOf(metric.name, told.units), ...more, standing, cells, inputs, versions }
}

export function encodeMade({ metric }: Pick<Task, 'metric'>, made: Made): string {
  const { units: of, changed, adds, removes, rows, damage } = made
  const about = {
    hearth_made: FORM_VERSION,
    metric: metric.name,
    definition: metric.file_hash,
    units: pairsOf(of),
    changed,
  }
  const paths = removes.map(({ path }) => path)
  return JSON.stringify({ ...about, adds, removes: paths, rows, ...(damage && { damage: damage.message }) })
}

/** Why a task is not made, whoever tries: it is told as what is made is. */
export function encodeRefusal({ metric }: Pick<Task, 'metric'>, { kind, message }: Problem): string {
  return JSON.stringify({ hearth_refused: FORM_VERSION, metric: metric.name, kind, message })
}

/**
 * What came of a task, or why nothing did; undefined for no text. Raises `invalid` for a text that is not what came of just
 * this task.
 */
export function decodeMade(task: Task, text: string | undefined): Made | Problem | undefined {
  if (text === undefined) return undefined
  const { metric, standing } = task
  const refusal = refusedForm.safeParse(jsonOf(text))
  if (refusal.success) return new Problem(refusal.data.kind, refusal.data.message)
  const told = read(madeForm, text, `what came of a task of ${metric.name}`)
  if (told.metric !== metric.name || told.definition !== metric.file_hash)
    throw new Problem(
      'invalid',
      `expected what came of ${metric.name} ${metric.file_hash}; found ${told.metric} ${told.definition}`,
    )
  const removes = told.removes.map((path) => {
    const file = standing.snapshot.files.get(path)
    if (!file)
      throw new Problem('invalid', `${metric.name} has no file ${path}, which a task says it takes the place of`)
    return file
  })
  const damage = told.damage === undefined ? undefined : new Problem('corrupt', told.damage)
  const { adds, changed, rows } = told
  const units = unitsOf(metric.name, told.units)
  const made = new Set(units.map(({ hour_ms, bucket }) => unitKey(hour_ms, bucket)))
  const lacks = task.units.find(({ hour_ms, bucket }) => !made.has(unitKey(hour_ms, bucket)))
  if (lacks && !damage)
    throw new Problem(
      'invalid',
      `what came of a task of ${metric.name} lacks hour ${lacks.hour_ms} of bucket ${lacks.bucket}`,
    )
  return { units, changed, adds, removes, rows, damage }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // told by whoever asked for more
  }
}

function read<T>(form: z.ZodType<T>, text: string, what: string): T {
  try {
    return form.parse(JSON.parse(text))
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)
    throw new Problem('invalid', `not ${what}: ${reason}`, { cause })
  }
}
