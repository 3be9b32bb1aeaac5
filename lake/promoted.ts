import { z } from 'zod'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { duckDbType, identifier, literal } from './schema.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * Fields of events that became columns while the table was in use (docs/decisions/011). A value that fits the type of its
 * column is in the column, as text in `extra` too unless the column says the same text; one that does not fit is in
 * `extra` alone. Rows from before the promotion have everything in `extra`. Pure.
 */

/** Property of the events table: the names of these columns. */
export const PROMOTED_KEY = 'hearth.promoted'
const PROMOTED_VERSION = 1

export const PROMOTED_TYPES = ['double', 'long', 'string', 'boolean', 'timestamp'] as const
export type PromotedType = (typeof PROMOTED_TYPES)[number]
export type PromotedColumn = Column & { readonly type: PromotedType }

const property = z.object({ version: z.number().int(), fields: z.array(z.string()) })

export function encodePromoted(fields: readonly string[]): string {
  return JSON.stringify({ version: PROMOTED_VERSION, fields })
}

/** Raises `invalid` for a list of a newer version, `corrupt` for what is no list of columns of the table. */
export function promotedOf({
  columns,
  configuration,
}: Pick<Snapshot, 'columns' | 'configuration'>): readonly PromotedColumn[] {
  const text = configuration[PROMOTED_KEY]
  if (text === undefined) return []
  const { version, fields } = decodeProperty(text)
  if (version > PROMOTED_VERSION) {
    const message = `${PROMOTED_KEY} has version ${version}, this Hearth knows up to ${PROMOTED_VERSION}: use a newer Hearth`
    throw new Problem('invalid', message)
  }
  return fields.map((field) => {
    const column = columns.find(({ name }) => name === field)
    const type = PROMOTED_TYPES.find((one) => one === column?.type)
    if (column && type) return { ...column, type }
    throw new Problem(
      'corrupt',
      `${PROMOTED_KEY} names ${field}, and the table has ${column ? `it as ${column.type}` : 'no such column'}`,
    )
  })
}

function decodeProperty(text: string): z.infer<typeof property> {
  try {
    return property.parse(JSON.parse(text))
  } catch (cause) {
    throw new Problem('corrupt', `${PROMOTED_KEY} is not {version, fields}: ${text}`, { cause })
  }
}

/** `text`, an SQL text, as a value of the type; NULL where it does not fit. */
export function valueSql(type: PromotedType, text: string): string {
  switch (type) {
    case 'string':
      return text
    case 'boolean':
      return `CASE ${text} WHEN 'true' THEN true WHEN 'false' THEN false END`
    // DuckDB's own cast would round 5.5, and take 1_000 and spaces.
    case 'long':
      return `CASE WHEN regexp_full_match(${text}, '-?[0-9]{1,19}') THEN TRY_CAST(${text} AS BIGINT) END`
    case 'double': {
      const number = `TRY_CAST(${text} AS DOUBLE)`
      return `CASE WHEN regexp_full_match(${text}, '${NUMBER}') AND isfinite(${number}) THEN ${number} END`
    }
    case 'timestamp': {
      const time = `TRY_CAST(${text} AS TIMESTAMPTZ)`
      return `CASE WHEN regexp_full_match(${text}, '${TIME}') AND year(${time}) BETWEEN 1 AND 9999 THEN ${time} END`
    }
  }
}

const TIME = '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})'

/**
 * What is to be stored of a text: the value that its column gets, NaN for none, and whether the column then says the same
 * text. Of what fits the type by `valueSql` it takes the plain forms; any other stays in `extra`, where reading finds it.
 */
export function storedValue(type: PromotedType, text: string): { readonly value: number; readonly isSaid: boolean } {
  switch (type) {
    case 'string':
      return { value: Number.NaN, isSaid: true }
    case 'boolean':
      return text === 'true' || text === 'false' ? { value: text === 'true' ? 1 : 0, isSaid: true } : NOT_STORED
    case 'long':
      return /^-?[0-9]{1,15}$/.test(text) ? { value: Number(text), isSaid: String(Number(text)) === text } : NOT_STORED
    case 'double': {
      const value = WHOLE_NUMBER.test(text) ? Number(text) : Number.NaN
      if (!Number.isFinite(value)) return NOT_STORED
      // Smaller and larger ones DuckDB may write otherwise.
      const isPlain = value === 0 || (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e15)
      return { value, isSaid: isPlain && String(value) === text }
    }
    case 'timestamp': {
      const match = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z$/.exec(text)
      const whole_ms = match ? Date.parse(`${match[1]}Z`) : Number.NaN
      // Days that no month has, and hour 24, are other times to Date than they say.
      if (!match || Number.isNaN(whole_ms) || !new Date(whole_ms).toISOString().startsWith(match[1] ?? '-'))
        return NOT_STORED
      if (text.startsWith('0000')) return NOT_STORED
      const value = whole_ms * 1000 + Number((match[2] ?? '').padEnd(6, '0'))
      // Past the year 2255 a double does not hold every µs.
      if (!Number.isSafeInteger(value)) return NOT_STORED
      return { value, isSaid: match[2]?.length === 3 }
    }
  }
}
const NUMBER = '-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?'
const WHOLE_NUMBER = new RegExp(`^${NUMBER}$`)
const NOT_STORED = { value: Number.NaN, isSaid: false }

/** The text that a value in the column stands for: as JavaScript writes it, but for exponents. */
export function textSql(type: PromotedType, value: string): string {
  switch (type) {
    case 'double':
      return `regexp_replace(CAST(${value} AS VARCHAR), '\\.0$', '')`
    case 'timestamp':
      return `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%gZ')`
    default:
      return `CAST(${value} AS VARCHAR)`
  }
}

const inExtra = (name: string) => `extra[${literal(name)}]`

const filled = ({ name, type }: PromotedColumn) =>
  `coalesce(${identifier(name)}, ${valueSql(type, inExtra(name))}) AS ${identifier(name)}`

/** A SELECT of events with these columns as NULL. */
export function withColumns(select: string, promoted: readonly PromotedColumn[]): string {
  const list = promoted.map(({ name, type }) => `, CAST(NULL AS ${duckDbType(type)}) AS ${identifier(name)}`)
  return `SELECT *${list.join('')} FROM (${select})`
}

/** Rows as they are to be stored: what fits is taken into its column, and out of `extra` where the column says the same. */
export function promoteSql(select: string, promoted: readonly PromotedColumn[]): string {
  if (promoted.length === 0) return select
  const same = promoted.map(({ name, type }) => `(${textSql(type, identifier(name))} = ${inExtra(name)})`)
  const names = promoted.map(({ name }, i) => `CASE WHEN ${same[i]} THEN ${literal(name)} END`)
  // No column is called _entry.
  const left = `list_filter(map_entries(extra), lambda _entry: NOT coalesce(list_contains([${names.join(', ')}], _entry.key), false))`
  const rest = `CASE WHEN coalesce(${same.join(' OR ')}, false) THEN nullif(map_from_entries(${left}), CAST(MAP {} AS ${duckDbType('map')})) ELSE extra END`
  return `SELECT * REPLACE (${rest} AS extra) FROM (SELECT * REPLACE (${promoted.map(filled).join(', ')}) FROM (${select}))`
}

/** Stored rows as they are read: each column filled from `extra`, and `extra` with every field that was sent. */
export function fillSql(select: string, promoted: readonly PromotedColumn[]): string {
  if (promoted.length === 0) return select
  const moved = promoted.map(
    ({ name, type }) =>
      `CASE WHEN ${identifier(name)} IS NOT NULL AND NOT coalesce(map_contains(extra, ${literal(name)}), false) THEN MAP {${literal(name)}: ${textSql(type, identifier(name))}} END`,
  )
  const any = promoted.map(({ name }) => `${identifier(name)} IS NOT NULL`).join(' OR ')
  const whole = `CASE WHEN ${any} THEN map_concat(extra, ${moved.join(', ')}) ELSE extra END`
  return `SELECT * REPLACE (${promoted.map(filled).join(', ')}, ${whole} AS extra) FROM (${select})`
}

/** Views whose rows are what hubs tell, which their fields belong to. */
const VIEWS: readonly string[] = ['readings', 'health']

/** The SELECT of a view of events, with these columns besides those that it has. */
export function viewSql(name: string, sql: string, promoted: readonly PromotedColumn[]): string {
  if (!VIEWS.includes(name)) return sql
  const [list = ''] = sql.split(' FROM ')
  const more = promoted.filter((column) => !new RegExp(`\\b${column.name}(, |$)`).test(list))
  return sql.replace(' FROM ', `${more.map((column) => `, ${identifier(column.name)}`).join('')} FROM `)
}
