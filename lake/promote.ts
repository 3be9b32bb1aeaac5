import type { Random } from '../contract/clock.ts'
import { EVENT_FIELDS, OWN_EXTRA_FIELDS } from '../contract/event.ts'
import { Problem } from '../contract/problem.ts'
import { PROMOTED_COLUMNS_MAX } from './limits.ts'
import { changeMetadata } from './metadata.ts'
import { encodePromoted, PROMOTED_KEY, type PromotedColumn, promotedOf } from './promoted.ts'
import { addToSchema, checkColumns } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

/**
 * Makes a field that so far lands in `extra` a column of the events table; writers that run notice with their next
 * commit. False when it is one already. Raises what `checkPromotion` raises.
 */
export function promote(events: Table, column: PromotedColumn, random: Random): Promise<boolean> {
  return changeMetadata(events, random, (base) => {
    if (!checkPromotion(base, column)) return undefined
    const fields = [...promotedOf(base).map(({ name }) => name), column.name]
    const configuration = { ...base.configuration, [PROMOTED_KEY]: encodePromoted(fields) }
    const schemaString = addToSchema(base.metadata.schemaString, [column], base.partition)
    return { info: { promoted: column.name }, metadata: { ...base.metadata, schemaString, configuration } }
  })
}

/**
 * May this field become this column? False when it is one already. Raises `invalid` for a name that no column can have
 * or that is not a hub's own to give, `conflict` for one that is taken, `limit` past PROMOTED_COLUMNS_MAX.
 */
export function checkPromotion(base: Snapshot, column: PromotedColumn): boolean {
  const { name, type } = column
  checkColumns([column])
  if (EVENT_FIELDS.some((field) => field === name)) {
    throw new Problem('invalid', `the field ${name} has a column already and is never in extra`)
  }
  if (OWN_EXTRA_FIELDS.includes(name)) {
    throw new Problem('invalid', `the field ${name} is one of Hearth's own, and is read as extra['${name}']`)
  }
  const promoted = promotedOf(base)
  const known = promoted.find((one) => one.name === name)
  if (known?.type === type) return false
  if (known) {
    const message = `${name} was promoted as ${known.type}, and a column keeps its type; what does not fit ${known.type} stays in extra['${name}']`
    throw new Problem('conflict', message)
  }
  const taken = base.columns.find((one) => one.name === name)
  if (taken) {
    const message = `events has a column ${name} (${taken.type}: ${taken.meaning}), which is not this field: the field can be read as extra['${name}']`
    throw new Problem('conflict', message)
  }
  if (promoted.length >= PROMOTED_COLUMNS_MAX) {
    throw new Problem(
      'limit',
      `${promoted.length} fields are columns already, the most there may be; others are in extra`,
    )
  }
  return true
}
