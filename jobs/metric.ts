import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Column, ColumnType } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { type HeaderLine, type MetricHeader, readHeader } from './metric-header.ts'
import { ofAllBuckets, type UnitShape, unitTime } from './shape.ts'

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
  /** Of all that decides numbers, without comments, meanings and checks: 16 hex digits. */
  readonly hash: string
  /** With its checks: who calculates for another must have the same. The ledger had this one before it had `hash`. */
  readonly file_hash: string
}

const TYPES: readonly ColumnType[] = ['string', 'long', 'integer', 'double', 'boolean', 'timestamp']
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
const NAME = /^[a-z][a-z0-9_]*$/
const COLUMN = /^(\S+) (\S+)(?: ([^\s—–-]\S*))? [—–-] (.+)$/
const CHECK = /^(.+?) [—–-] (.+)$/
const INPUT = /^([a-z][a-z0-9_]*)(?: (by [a-z]+))?$/

/**
 * Reads one metric file: comment lines `-- key: value`, then one SELECT.
 * Raises `invalid`, naming the file and the line that it cannot read.
 */
export function parseMetric(file: string, text: string): Metric {
  const header = readHeader(file, text)
  const { one, maybe, all, wrong, body } = header
  const name = one('metric')
  if (!NAME.test(name.value)) wrong(name, 'small letters, digits and _')
  const path = basename(file, '.sql')
  if (name.value !== path) wrong(name, `the name of the file, ${path}`)
  const unit = one('unit')
  const shape = SHAPES[unit.value] ?? wrong(unit, `one of ${Object.keys(SHAPES).join('; ')}`)
  const keys = one('keys')
  const inputs = one('inputs')
  const carry = maybe('carry')
  const revision = one('revision')
  if (!/^[1-9]\d{0,8}$/.test(revision.value)) wrong(revision, 'a whole number from 1')
  const metric = {
    name: name.value,
    meaning: one('meaning').value,
    grain: one('grain').value,
    shape,
    keys: listOf(keys.value),
    inputs: listOf(inputs.value).map(
      (input) =>
        parseInput(input) ??
        wrong(inputs, `tables, each alone or with one of ${Object.keys(REACHES).join('; ')}`, `"${input}"`),
    ),
    only: maybe('only')?.value ?? 'TRUE',
    carry: carry && parseCarry(carry.value),
    affects: one('affects').value,
    owner: one('owner').value,
    revision: Number(revision.value),
    columns: all('column').map((at) => parseColumn(header, at)),
    checks: all('check').map((at): RowCheck => {
      const [, check = '', condition = ''] = CHECK.exec(at.value) ?? wrong(at, '"name — condition"')
      return { name: check, condition }
    }),
    sql: body.replace(/;\s*$/, ''),
  }
  const issued = new Set(metric.inputs.filter(({ reach }) => reach === 'issued').map(({ table }) => table))
  const twice = metric.inputs.find(({ table, reach }) => reach !== 'issued' && issued.has(table))
  if (twice) wrong(inputs, `all rows of ${twice.table} to go by one time`, 'by issued and by another')
  if (shape === 'day-all' && carry) wrong(carry, 'none of a day: only hours carry from one to the next')
  const named = metric.columns.map((column) => column.name)
  const known = (at: HeaderLine, columns: readonly string[]) => {
    const other = columns.find((column) => !named.includes(column))
    if (other !== undefined) wrong(at, `names of its columns (${named.join(', ')})`, `"${other}"`)
  }
  known(keys, metric.keys)
  if (carry && metric.carry) known(carry, metric.carry.columns)
  const placed = [unitTime(shape)?.column, ofAllBuckets(shape) ? undefined : 'bucket']
  const lacks = placed.find((column) => column !== undefined && !named.includes(column))
  if (lacks !== undefined) wrong(unit, `with this unit a column "${lacks}"`, 'none')
  for (const [i, at] of all('column').entries())
    if (named.indexOf(named[i] ?? '') < i) wrong(at, 'each column once', `"${named[i]}" again`)
  if (metric.sql.replaceAll(/--.*$/gm, '').trim() === '')
    throw new Problem('invalid', `${file}: no SELECT after the header`)
  return { ...metric, hash: definitionHash(metric), file_hash: fileHash(metric) }
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((one) => one.trim())
}

function parseColumn({ wrong }: MetricHeader, at: HeaderLine): Column {
  const [, name = '', text = '', unit, meaning = ''] =
    COLUMN.exec(at.value) ?? wrong(at, '"name type [unit] — meaning"')
  if (!NAME.test(name)) wrong(at, 'a name of small letters, digits and _', name)
  const type = TYPES.find((one) => one === text) ?? wrong(at, `a type of ${TYPES.join(', ')}`, text)
  return unit === undefined ? { name, type, meaning } : { name, type, unit, meaning }
}

function parseInput(text: string): MetricInput | undefined {
  const match = INPUT.exec(text)
  if (!match) return undefined
  const [, table = '', by = 'by hour'] = match
  const reach = REACHES[by]
  return reach && { table, reach: table === 'hubs' ? 'validity' : reach }
}

function parseCarry(text: string): Carry {
  const [, columns = text, where = 'TRUE'] = /^(.*?) where (.*)$/.exec(text) ?? []
  return { columns: listOf(columns), where }
}

type Defining = Pick<Metric, 'sql' | 'columns' | 'inputs' | 'only' | 'carry' | 'checks' | 'shape' | 'keys'>

function definitionHash({ sql, columns, inputs, only, carry, shape, keys }: Defining): string {
  const carried = carry && { columns: carry.columns, where: plain(carry.where) }
  return hashOf([plain(sql), typesOf(columns), inputs, plain(only), carried, shape, keys])
}

function fileHash({ sql, columns, inputs, only, carry, checks, shape, keys }: Defining): string {
  const stripped = sql.replace(/^\s*--.*$/gm, '').replace(/\s+/g, ' ')
  return hashOf([stripped, typesOf(columns), inputs, only, carry, checks, shape, keys])
}

const typesOf = (columns: readonly Column[]) => columns.map(({ name, type }) => [name, type])

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}

/** A text of SQL without comments, and with one space where there are several; words in quotes stay as they are. */
function plain(sql: string): string {
  const parts = /('(?:[^']|'')*'|"(?:[^"]|"")*")|(?:\s|--.*|\/\*[\s\S]*?\*\/)+/g
  return sql.replace(parts, (_, quoted?: string) => quoted ?? ' ').trim()
}
