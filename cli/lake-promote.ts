import { type Command, Option } from 'commander'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { Lake } from '../lake/lake.ts'
import { checkPromotion, promote } from '../lake/promote.ts'
import { PROMOTED_TYPES, type PromotedColumn, type PromotedType, promotedOf, valueSql } from '../lake/promoted.ts'
import { openQuery } from '../lake/query.ts'
import { literal } from '../lake/schema.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { textTable } from './text-table.ts'

type Options = {
  readonly type: PromotedType
  readonly unit?: string
  readonly meaning: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

export const PROMOTE_EXAMPLES = `  hearth lake promote battery_v --type double --unit V --meaning "voltage of the battery" --dry-run
  hearth lake promoted`

/** Events of so many days are counted that have the field. */
const COUNTED_DAYS = 7
const DAY_MS = 86_400_000

/** `hearth lake promote | promoted`: fields that hubs send and that become columns of `events`. */
export function registerPromote(lake: Command, context: CliContext): void {
  lake
    .command('promote <field>')
    .description('make a field of events that is kept in extra a column; writers that run go on')
    .addOption(new Option('--type <type>', 'type of the column').choices(PROMOTED_TYPES).makeOptionMandatory())
    .option('--unit <unit>', 'unit of its values')
    .requiredOption('--meaning <text>', 'what it is, for people who read the table')
    .option('--dry-run', `only count the events of the last ${COUNTED_DAYS} days that have it`)
    .option('--json', 'as JSON')
    .action((field: string, options: Options) => promoteField(context, field, options))
  lake
    .command('promoted')
    .description('fields that were made columns of events')
    .option('--json', 'as JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const events = await (await existingLake(context)).table(EVENTS_TABLE)
      const rows = promotedOf(await events.snapshot())
      if (json) context.print(JSON.stringify(rows, undefined, 2))
      else
        context.print(
          textTable(
            ['field', 'type', 'unit', 'meaning'],
            rows.map(({ name, type, unit = '', meaning }) => [name, type, unit, meaning]),
          ),
        )
    })
}

async function promoteField(context: CliContext, name: string, options: Options): Promise<void> {
  const { type, unit, meaning, dryRun, json } = options
  const column: PromotedColumn = { name, type, meaning, ...(unit !== undefined && { unit }) }
  const lake = await existingLake(context)
  const events = await lake.table(EVENTS_TABLE)
  const isNew = checkPromotion(await events.snapshot(), column)
  const { have, fit } = await countEvents(context, lake, column)
  if (isNew && !dryRun) await promote(events, column, context.random)
  if (json) {
    context.print(JSON.stringify({ field: name, type, promoted: !isNew || !dryRun, days: COUNTED_DAYS, have, fit }))
  } else {
    const left = have > fit ? `; ${have - fit} do not, and stay in extra` : ''
    context.print(`${have} events of the last ${COUNTED_DAYS} days have ${name}, ${fit} of them fit ${type}${left}`)
    if (!isNew) context.print(`${name} is a column already`)
    else if (!dryRun) context.print(`${name} is a column of events from now on`)
  }
  if (have === 0)
    context.note(`warning: no event of the last ${COUNTED_DAYS} days has a field ${name}: is it spelled so?`)
  else if (fit === 0) context.note(`warning: none of them fits ${type}: the column would be empty`)
}

async function countEvents(
  context: CliContext,
  lake: Lake,
  { name, type }: PromotedColumn,
): Promise<{ readonly have: number; readonly fit: number }> {
  const { clock, signal } = context
  await using query = await openQuery({ lake, clock, cache: lakeCache(context) })
  const since = new Date(clock.now() - COUNTED_DAYS * DAY_MS).toISOString().slice(0, 10)
  const text = `extra[${literal(name)}]`
  const { rows } = await query.run(
    `SELECT count(${text}), count(${valueSql(type, text)}) FROM events WHERE event_date >= DATE '${since}'`,
    { signal },
  )
  const [have = 0, fit = 0] = (rows[0] ?? []).map(Number)
  return { have, fit }
}
