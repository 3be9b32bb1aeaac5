/**
 * Objectives as OpenSLO v1 has them (github.com/OpenSLO/OpenSLO, kind SLO), as far as Hearth can answer: one target, a rolling
 * window of days, occurrences, and a measure of Hearth's own metrics.
 */
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { closest } from '../contract/closest.ts'
import { isProblem, Problem } from '../contract/problem.ts'

/** What an objective is about: which column of which metric is good, or bad, and of what. */
const RATIOS = [
  { measure: 'availability', side: 'good', of: 'connected_ms', total: 'expected_ms' },
  { measure: 'command_success', side: 'good', of: 'done', total: 'issued' },
  { measure: 'loss', side: 'bad', of: 'lost', total: 'sent' },
] as const

/** Durations of commands, by the hop of `latency_hours` that keeps them. */
const HOPS = ['tap_to_light', 'issued_to_acked', 'relay_share', 'round_trip', 'network', 'hub'] as const

export type Objective = {
  readonly name: string
  readonly meaning: string
  readonly measure: (typeof RATIOS)[number]['measure'] | 'latency'
  /** Of the measure `latency`: which duration, and up to where it is good. */
  readonly hop: (typeof HOPS)[number] | undefined
  readonly threshold_ms: number | undefined
  /** Only what is of it; all when absent. */
  readonly firmware: string | undefined
  readonly region: string | undefined
  readonly model: string | undefined
  /** Good ÷ total should be at least this. */
  readonly target: number
  readonly window_days: number
  /** With a smaller total over its window there is too little data to judge by. */
  readonly minimum_total: number
  /** With a smaller total over the long window of an alert nobody is called. */
  readonly alert_minimum: number
}

const MINIMUM = 'hearth/minimum-total'
const ALERT_MINIMUM = 'hearth/alert-minimum-total'
const ANNOTATIONS: readonly string[] = [MINIMUM, ALERT_MINIMUM]
const text = z.string().min(1)
const words = z.union([text, z.array(text)])
const source = (measures: readonly [string, ...string[]]) =>
  z.strictObject({
    metricSource: z.strictObject({
      type: z.literal('hearth'),
      spec: z.strictObject({
        measure: z.enum(measures),
        firmware: text.optional(),
        region: text.optional(),
        model: text.optional(),
      }),
    }),
  })
const [good, bad] = [source(['connected_ms', 'done']), source(['lost'])]
const ratio = z.strictObject({
  counter: z.literal(false, 'expected false: each hour has its own sum'),
  good: good.optional(),
  bad: bad.optional(),
  total: source(['expected_ms', 'issued', 'sent']),
})
const names = z.strictObject({ name: text, displayName: text.optional() })
const slo = z.strictObject({
  apiVersion: z.literal('openslo/v1'),
  kind: z.literal('SLO'),
  metadata: names.extend({
    name: z
      .string()
      .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'expected lower-case letters, digits and -, 63 at most'),
    labels: z.record(z.string(), words).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.strictObject({
    description: z.string().max(1050).optional(),
    service: text,
    indicator: z.strictObject({
      metadata: names.optional(),
      spec: z.strictObject({
        description: z.string().optional(),
        ratioMetric: ratio.optional(),
        thresholdMetric: source(HOPS.map((hop) => `${hop}_ms`) as [string, ...string[]]).optional(),
      }),
    }),
    timeWindow: z
      .array(
        z.strictObject({
          duration: z.string().regex(/^[1-9][0-9]{0,2}[dw]$/, 'expected days or weeks: 30d, 4w'),
          isRolling: z.literal(true, 'expected true: calendar-aligned windows are not known'),
        }),
      )
      .length(1, 'expected one window'),
    budgetingMethod: z.literal('Occurrences'),
    objectives: z
      .array(
        z.strictObject({
          displayName: text.optional(),
          op: z.literal('lte', 'expected lte').optional(),
          value: z.number().positive().optional(),
          target: z.number().gt(0).lt(1).optional(),
          targetPercent: z.number().gt(0).lt(100).optional(),
        }),
      )
      .length(1, 'expected one target: another one is another SLO'),
  }),
})

/**
 * The objectives of a YAML file, each document one. Raises `invalid`, naming the file, the path in it, what is expected
 * and what is there.
 */
export function parseObjectives(file: string, yaml: string): readonly Objective[] {
  const documents = parseAllDocuments(yaml)
  if (!Array.isArray(documents) || documents.length === 0)
    throw new Problem('invalid', `${file}: expected an OpenSLO document of kind SLO; found nothing`)
  return eachOf([...documents.entries()], ([i, document]) => {
    const where = documents.length > 1 ? `${file}, document ${i + 1}` : file
    const [broken] = document.errors
    if (broken) throw new Problem('invalid', `${where}: not YAML: ${broken.message}`)
    const found: unknown = document.toJS()
    const parsed = slo.safeParse(found)
    if (parsed.success) return objectiveOf(where, parsed.data)
    const told = parsed.error.issues.map(({ path, message }) => {
      const at = valueAt(found, path)
      const there = at === undefined || typeof at === 'object' ? '' : `; found ${JSON.stringify(at)}`
      return `${path.join('.') || 'the document'}: ${message}${there}${hintOf(path, message, at)}`
    })
    throw new Problem('invalid', `${where}: ${told.join('; ')}`)
  })
}

/** Makes something of each; raises `invalid` with the faults of all, a line each. */
export function eachOf<T, R>(all: readonly T[], make: (one: T) => R): readonly R[] {
  const faults: string[] = []
  const made = all.flatMap((one) => {
    try {
      return [make(one)]
    } catch (error) {
      if (!isProblem(error, 'invalid')) throw error
      faults.push(error.message)
      return []
    }
  })
  if (faults.length > 0) throw new Problem('invalid', faults.join('\n'))
  return made
}

/** What was probably meant. */
function hintOf(path: readonly PropertyKey[], message: string, at: unknown): string {
  if (/expected string/.test(message) && ['number', 'boolean'].includes(typeof at)) return '; put it in quotes'
  if (path.at(-1) === 'target' && typeof at === 'number' && at >= 1 && at < 100)
    return `; a percentage is targetPercent: ${at}`
  return ''
}

function valueAt(found: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    found,
  )
}

function objectiveOf(where: string, { metadata, spec }: z.infer<typeof slo>): Objective {
  const fail = (path: string, message: string): never => {
    throw new Problem('invalid', `${where}: ${path}: ${message}`)
  }
  const { ratioMetric, thresholdMetric } = spec.indicator.spec
  const [objective = {}] = spec.objectives
  const [window = { duration: '' }] = spec.timeWindow
  const { target, targetPercent, op, value } = objective
  if ((target === undefined) === (targetPercent === undefined))
    fail('spec.objectives.0', 'expected either target or targetPercent')
  const least = (annotation: string, otherwise: string) => {
    const found = metadata.annotations?.[annotation] ?? otherwise
    if (!/^[1-9][0-9]{0,14}$/.test(found))
      fail(`metadata.annotations.${annotation}`, `expected a whole number from 1; found "${found}"`)
    return found
  }
  for (const found of Object.keys(metadata.annotations ?? {})) {
    if (!found.startsWith('hearth/') || ANNOTATIONS.includes(found)) continue
    const meant = ANNOTATIONS.find((known) => known.startsWith(found)) ?? closest(found, ANNOTATIONS)
    const advice = meant === undefined ? `there are ${ANNOTATIONS.join(' and ')}` : `did you mean ${meant}?`
    fail(`metadata.annotations.${found}`, `there is no such annotation; ${advice}`)
  }
  const minimum = least(MINIMUM, '1')
  const common = {
    name: metadata.name,
    meaning: spec.description ?? metadata.displayName ?? metadata.name,
    target: target ?? (targetPercent ?? 0) / 100,
    window_days: Number(window.duration.slice(0, -1)) * (window.duration.endsWith('w') ? 7 : 1),
    minimum_total: Number(minimum),
    alert_minimum: Number(least(ALERT_MINIMUM, minimum)),
  }
  if (ratioMetric && !thresholdMetric) {
    if (op !== undefined || value !== undefined) fail('spec.objectives.0', 'op and value are for a thresholdMetric')
    const path = 'spec.indicator.spec.ratioMetric'
    if (!ratioMetric.good === !ratioMetric.bad) fail(path, 'expected either good or bad, beside total')
    const side = (ratioMetric.good ?? ratioMetric.bad)?.metricSource.spec
    const total = ratioMetric.total.metricSource.spec
    const found = RATIOS.find((one) => one.of === side?.measure && one.total === total.measure)
    if (!found || !side)
      return fail(
        path,
        `expected one of ${RATIOS.map((one) => `${one.side} ${one.of} of total ${one.total}`).join(', ')}; found ${side?.measure} of ${total.measure}`,
      )
    for (const name of ['firmware', 'region', 'model'] as const)
      if (side[name] !== total[name]) fail(path, `${name} must be the same of ${found.side} and total`)
    const { firmware, region, model } = total
    return { ...common, measure: found.measure, hop: undefined, threshold_ms: undefined, firmware, region, model }
  }
  if (!thresholdMetric || ratioMetric)
    return fail('spec.indicator.spec', 'expected either ratioMetric or thresholdMetric')
  const { measure, firmware, region, model } = thresholdMetric.metricSource.spec
  const path = 'spec.indicator.spec.thresholdMetric.metricSource.spec'
  if (region !== undefined || model !== undefined)
    fail(path, 'region and model are not known of durations; firmware is')
  if (op === undefined || value === undefined)
    fail('spec.objectives.0', 'a thresholdMetric needs op: lte and a value, in ms')
  const hop = HOPS.find((one) => `${one}_ms` === measure)
  return { ...common, measure: 'latency', hop, threshold_ms: value, firmware, region: undefined, model: undefined }
}
