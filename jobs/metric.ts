import { createHash } from 'node:crypto'
import type { Column, ColumnType } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { type UnitShape, unitTime } from './shape.ts'

/** How a metric reads another table: rows of the hour, of commands issued in it, of batches received in it, or all. */
export type Reach = 'hour' | 'issued' | 'receipt' | 'validity'

/** One table that a metric reads. A change in it affects the units that `reach` names. */
export type MetricInput = { readonly table: string; readonly reach: Reach }

/** What an hour leaves to the next: these columns of its rows, where the condition holds. */
export type Carry = { readonly columns: readonly string[]; readonly where: string }

/** A check beside the metric: a condition that every row of a result must meet. */
export type RowCheck = { readonly name: string; readonly condition: string }

/** One metric, as its file defines it. */
export type Metric = {
  readonly name: string
  readonly meaning: string
  readonly grain: string
  readonly shape: UnitShape
  readonly keys: readonly string[]
  readonly inputs: readonly MetricInput[]
  /** The rows of `events` that it reads, as a condition. */
  readonly only: string
  readonly carry: Carry | undefined
  readonly affects: string
  readonly owner: string
  /** Raised with every change of the definition: hashes have no order, revisions have. */
  readonly revision: number
  readonly columns: readonly Column[]
  readonly checks: readonly RowCheck[]
  /** The SELECT. */
  readonly sql: string
  /** Of the SELECT, the columns, the inputs, the carry and the checks: 16 hex digits. */
  readonly hash: string
}

const TYPES: ReadonlySet<string> = new Set<ColumnType>(['string', 'long', 'integer', 'double', 'boolean', 'timestamp'])
const SHAPES: Readonly<Record<string, UnitShape>> = {
  hour: 'hour',
  'hour of all buckets': 'hour-all',
  'day of all buckets': 'day-all',
  bucket: 'bucket',
}
const REACHES: Readonly<Record<string, Reach>> = {
  'by hour': 'hour',
  'by issued': 'issued',
  'by receipt': 'receipt',
  'by validity': 'validity',
}

/**
 * Reads one metric file: comment lines `-- key: value`, then one SELECT.
 * Raises `invalid`, naming the file and the line that it cannot read.
 */
export function parseMetric(file: string, text: string): Metric {
  const fail = (message: string): never => {
    throw new Problem('invalid', `${file}: ${message}`)
  }
  const fields = new Map<string, string>()
  const columns: Column[] = []
  const checks: RowCheck[] = []
  const lines = text.split('\n')
  let at = 0
  for (; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const match = /^-- ([a-z]+): (.+)$/.exec(line)
    if (!match) break
    const [, key = '', value = ''] = match
    if (key === 'column') columns.push(parseColumn(value) ?? fail(`expected "name type [unit] — meaning": ${line}`))
    else if (key === 'check') {
      const [name = '', condition] = value.split(' — ')
      checks.push({ name, condition: condition ?? fail(`expected "name — condition": ${line}`) })
    } else if (fields.has(key)) fail(`"${key}" stands there twice`)
    else fields.set(key, value)
  }
  const field = (key: string): string => fields.get(key) ?? fail(`the header lacks "-- ${key}: …"`)
  const body = lines.slice(at).join('\n').trim()
  const carry = fields.get('carry')
  const metric = {
    name: field('metric'),
    meaning: field('meaning'),
    grain: field('grain'),
    shape: SHAPES[field('unit')] ?? fail(`unit is one of ${Object.keys(SHAPES).join(', ')}; found ${field('unit')}`),
    keys: field('keys').split(', '),
    inputs: field('inputs')
      .split(', ')
      .map((input) => parseInput(input) ?? fail(`an input is a table, or a table "by hour", "by issued" …: ${input}`)),
    only: fields.get('only') ?? 'TRUE',
    carry: carry === undefined ? undefined : parseCarry(carry),
    affects: field('affects'),
    owner: field('owner'),
    revision: Number(field('revision')),
    columns,
    checks,
    sql: body.replace(/;\s*$/, ''),
  }
  if (!Number.isInteger(metric.revision) || metric.revision < 1) fail('revision is a whole number from 1')
  const issued = new Set(metric.inputs.filter(({ reach }) => reach === 'issued').map(({ table }) => table))
  const twice = metric.inputs.find(({ table, reach }) => reach !== 'issued' && issued.has(table))
  if (twice) fail(`${twice.table} is read by the time of issue and by another: of one table all rows go by one time`)
  const named = new Set(columns.map((column) => column.name))
  const time = unitTime(metric.shape)
  if (metric.shape === 'day-all' && metric.carry) fail('only hours carry from one to the next')
  for (const name of [...metric.keys, ...(time ? [time.column] : []), ...(metric.carry?.columns ?? [])]) {
    if (!named.has(name)) fail(`"${name}" is not one of its columns`)
  }
  return { ...metric, hash: definitionHash(metric) }
}

function parseColumn(text: string): Column | undefined {
  const match = /^([a-z][a-z0-9_]*) ([a-z]+)(?: ([^ —]+))? — (.+)$/.exec(text)
  if (!match) return undefined
  const [, name = '', type = '', unit, meaning = ''] = match
  if (!isColumnType(type)) return undefined
  return unit === undefined ? { name, type, meaning } : { name, type, unit, meaning }
}

function isColumnType(text: string): text is ColumnType {
  return TYPES.has(text)
}

function parseInput(text: string): MetricInput | undefined {
  const match = /^([a-z_]+)(?: (by [a-z]+))?$/.exec(text)
  if (!match) return undefined
  const [, table = '', by = 'by hour'] = match
  const reach = REACHES[by]
  return reach && { table, reach: table === 'hubs' ? 'validity' : reach }
}

function parseCarry(text: string): Carry {
  const [columns = '', where = 'TRUE'] = text.split(' where ')
  return { columns: columns.split(', '), where }
}

/** Hash of everything that decides the numbers: not of names' meanings, nor of the comments. */
function definitionHash(
  metric: Pick<Metric, 'sql' | 'columns' | 'inputs' | 'only' | 'carry' | 'checks' | 'shape' | 'keys'>,
) {
  const { sql, columns, inputs, only, carry, checks, shape, keys } = metric
  const stripped = sql.replace(/^\s*--.*$/gm, '').replace(/\s+/g, ' ')
  const types = columns.map(({ name, type }) => [name, type])
  return createHash('sha256')
    .update(JSON.stringify([stripped, types, inputs, only, carry, checks, shape, keys]))
    .digest('hex')
    .slice(0, 16)
}
