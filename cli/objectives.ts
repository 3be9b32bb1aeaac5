import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import { openAlertsTable } from '../jobs/alerts/alerts-table.ts'
import { judgeRules, MINUTE_MS } from '../jobs/alerts/burn-rate.ts'
import { lookAtObjectives } from '../jobs/alerts/objectives-look.ts'
import { DAY_MS } from '../jobs/day.ts'
import { applyObjectives, defaultObjectives, readObjectives } from '../jobs/objectives-table.ts'
import { openQuery } from '../lake/query.ts'
import type { CliContext } from './context.ts'
import { examplesOf } from './examples.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { historyText, statusText } from './objectives-text.ts'

const EXAMPLES = `
Examples:
  hearth objectives apply objectives/         the OpenSLO files of a folder, in the place of all that stand
  hearth objectives apply --defaults          those that come with Hearth
  hearth objectives status                    exit code 1 when one matches no data
  hearth objectives history                   what became of their alerts`

type HistoryOptions = { readonly days: string; readonly json?: boolean }
type ApplyOptions = { readonly defaults?: boolean; readonly dryRun?: boolean; readonly json?: boolean }

/** `hearth objectives apply | status | history`: what is promised, and whether it is kept. */
export function register(program: Command, context: CliContext): void {
  const group = program
    .command('objectives')
    .description('what is promised: give objectives as OpenSLO files, and see whether they are kept')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
  group
    .command('apply [folder]')
    .description(
      'put the objectives of a folder in the place of all that stand; the jobs make every hour of slo_hours anew',
    )
    .option('--defaults', 'those that come with Hearth')
    .option('--dry-run', 'only read the files')
    .option('--json', 'as JSON')
    .action((folder: string | undefined, options: ApplyOptions) => apply(context, folder, options))
  group
    .command('status')
    .description(
      'what each objective counted over its window, its burn rates and alerts; exit code 1 when one matches no data',
    )
    .option('--json', 'as JSON')
    .action(({ json }: { readonly json?: boolean }) => status(context, json === true))
  group
    .command('history')
    .description('each change of an alert on an objective, the newest last')
    .option('--days <days>', 'of so many days', '30')
    .option('--json', 'as JSON')
    .action((options: HistoryOptions) => alertHistory(context, options))
}

async function apply(context: CliContext, folder: string | undefined, options: ApplyOptions): Promise<void> {
  const { defaults = false, dryRun = false, json = false } = options
  if ((folder === undefined) !== defaults) {
    const found = defaults ? `found both, ${folder} and --defaults` : 'found neither'
    throw new Problem('invalid', `expected a folder of OpenSLO files, or --defaults; ${found}`)
  }
  const objectives = folder === undefined ? defaultObjectives() : ofFolder(folder)
  const names = objectives.map(({ name }) => name)
  if (dryRun) {
    context.print(json ? JSON.stringify({ objectives: names }) : `understood: ${names.join(', ')}`)
    return
  }
  const { clock, random } = context
  const lake = await existingLake(context)
  const version = await applyObjectives({ lake, clock, random }, objectives)
  const told = `given, as version ${version}: ${names.join(', ')}. The next run of the jobs counts by them`
  context.print(json ? JSON.stringify({ version, objectives: names }) : told)
}

function ofFolder(folder: string) {
  try {
    return readObjectives(folder, readdirSync(folder), (name) => readFileSync(join(folder, name), 'utf8'))
  } catch (error) {
    if (error instanceof Problem) throw error
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR')
      throw new Problem('invalid', `${folder} is a file: give the folder that it is in`, { cause: error })
    throw new Problem('missing', `${folder}: expected a folder that can be read: ${String(error)}`, { cause: error })
  }
}

async function status(context: CliContext, json: boolean): Promise<void> {
  const { signal } = context
  await using query = await openLookingQuery(context)
  const at_ms = Math.floor(context.clock.now() / MINUTE_MS) * MINUTE_MS
  const standing = await query.alerts.standing()
  const found = (await lookAtObjectives(query, at_ms, signal)).map(({ points, ...one }) => ({
    ...one,
    burns: judgeRules({ ...one, points }, at_ms),
    alerts: standing.filter(({ objective }) => objective === one.objective),
  }))
  context.print(json ? JSON.stringify(found) : statusText(found))
  const silent = found.filter(({ state }) => state === 'no data').map(({ objective }) => objective)
  if (silent.length > 0)
    throw new Problem(
      'missing',
      `no data of its window is what the objective is about: ${silent.join(', ')}: look at its firmware, region and model, and whether the jobs ran`,
    )
}

async function alertHistory(context: CliContext, { days, json }: HistoryOptions): Promise<void> {
  if (!/^[1-9][0-9]{0,4}$/.test(days))
    throw new Problem('invalid', `--days: expected a whole number from 1; found ${JSON.stringify(days)}`)
  await using query = await openLookingQuery(context)
  const changes = await query.alerts.changes(`epoch_ms(time) > ${context.clock.now() - Number(days) * DAY_MS}`)
  context.print(json ? JSON.stringify(changes) : historyText(changes))
}

/** What looks at the lake, and at its alerts; it writes nothing. */
async function openLookingQuery(context: CliContext) {
  const { clock, random } = context
  const lake = await existingLake(context)
  const query = await openQuery({ lake, clock, cache: lakeCache(context) })
  return { ...query, alerts: openAlertsTable({ lake, query, clock, random }) }
}
