import type { Command } from 'commander'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { Problem } from '../contract/problem.ts'
import { type Lake, openLake } from '../lake/lake.ts'
import type { CliContext } from './context.ts'
import { type Finding, lineOf } from './doctor.ts'
import { existingEventLog } from './event-log.ts'
import { examineEvents } from './events-checks.ts'
import { lakeCache, lakeStore } from './lake-store.ts'
import { examineTable } from './table-checks.ts'

type Options = { readonly json?: boolean; readonly all?: boolean }

export function registerLakeDoctor(lake: Command, context: CliContext): void {
  lake
    .command('doctor [table]')
    .description('check logs, files and ranges, and say what to do; exit code 1 if anything is bad')
    .option('--all', 'read every log entry, footer and object, not a sample of them')
    .option('--json', 'findings as JSON')
    .action(async (table: string | undefined, options: Options) => {
      const findings = await examineLake(context, { table, all: options.all === true })
      if (options.json) context.print(JSON.stringify(findings, undefined, 2))
      else
        for (const finding of table === undefined ? folded(findings) : findings) context.print(lineOf(finding, WIDTH))
      if (findings.some(({ state }) => state === 'bad')) process.exitCode = 1
    })
}

const WIDTH = 'command_traces: _last_checkpoint'.length

/** Of a table in which all is good one line: what it holds. */
function folded(findings: readonly Finding[]): readonly Finding[] {
  const tableOf = ({ check }: Finding) => check.split(': ')[0]
  const troubled = new Set(findings.filter(({ state }) => state !== 'good').map(tableOf))
  return findings.flatMap((finding) => {
    const [table = '', check] = finding.check.split(': ')
    if (check === undefined || troubled.has(table)) return [finding]
    return check === 'data files' ? [{ ...finding, check: table }] : []
  })
}

/** Every check of one table, or of all and of what ingest keeps beside them. Raises `missing` for what is not there. */
export async function examineLake(
  context: Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>,
  { table, all }: { readonly table?: string | undefined; readonly all: boolean },
): Promise<readonly Finding[]> {
  const { clock, random } = context
  const store = lakeStore(context)
  const looking = { store, clock, all }
  let lake: Lake
  try {
    lake = await openLake({ store, clock, random })
  } catch (error) {
    if (!(error instanceof Problem) || error.kind === 'missing') throw error
    // Its own table cannot be read: what is wrong with it is found all the same.
    const found: Finding = { check: 'lake', state: 'bad', found: error.message }
    return [found, ...(await examineTable(looking, table ?? EVENTS_TABLE))]
  }
  if (table !== undefined) {
    await lake.table(table)
    return await examineTable(looking, table)
  }
  const findings: Finding[] = []
  for (const name of await lake.tables()) findings.push(...(await examineTable(looking, name)))
  const log = await existingEventLog(context, lake)
  try {
    return [...findings, ...(await examineEvents({ ...looking, lake, cache: lakeCache(context) }, log))]
  } finally {
    await log?.close()
  }
}
