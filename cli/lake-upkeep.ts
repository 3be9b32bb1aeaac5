import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { Lake } from '../lake/lake.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { textTable } from './text-table.ts'
import { openUpkeep, type Upkeep, type UpkeepRun } from './upkeep.ts'

type Options = { readonly dryRun?: boolean; readonly json?: boolean }
type Row = Readonly<Record<string, string | number>>
/** What was done to a table, and of what it consists. */
type Told = { readonly row: Row; readonly parts: readonly Row[] }

export const UPKEEP_EXAMPLES = `  hearth lake compact --dry-run
  hearth lake vacuum events
  hearth lake clean-log
  hearth lake retain --dry-run`

/** `hearth lake compact | vacuum | clean-log | retain`: what the jobs scheduler does by itself, now and for one table or all. */
export function registerUpkeep(lake: Command, context: CliContext): void {
  const add = (
    name: string,
    description: string,
    work: (upkeep: Upkeep, table: string, run: UpkeepRun) => Promise<Told>,
  ) =>
    lake
      .command(`${name} [table]`)
      .description(description)
      .option('--dry-run', 'list what would be done, and do nothing')
      .option('--json', 'as JSON')
      .action((table: string | undefined, options: Options) => runFor(context, table, options, work))

  add(
    'compact',
    'join small files: those an hour old, many of a partition, or of a closed day',
    async (upkeep, table, run) => {
      const { groups, joined, bytes, lost } = await upkeep.compact(table, run)
      const parts = groups.map(({ files, why }) => ({
        ...{ table, partition: Object.values(files[0]?.partitionValues ?? {}).join('/'), files: files.length },
        ...{ bytes: files.reduce((sum, { size }) => sum + size, 0), why },
      }))
      return { row: { table, groups: groups.length, joined, bytes, lost }, parts }
    },
  )
  add('vacuum', 'delete data files that no version within the retention has', async (upkeep, table, run) => {
    const { floor = '', files } = await upkeep.vacuum(table, run)
    const all = [...files, ...(table === EVENTS_TABLE ? await upkeep.vacuumRanges(run) : [])]
    const bytes = all.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    return { row: { table, floor, objects: all.length, bytes }, parts: all.map(partOf) }
  })
  add('clean-log', 'delete log entries that are past their retention', async (upkeep, table, run) => {
    const { first, objects, bytes } = await upkeep.cleanLog(table, run)
    return { row: { table, first, objects: objects.length, bytes }, parts: objects.map(partOf) }
  })
  add(
    'retain',
    'remove days that are older than retention.events_days and metrics_days',
    async (upkeep, table, run) => {
      const { floor = '', files, rows, bytes } = await upkeep.retain(table, run)
      const row = { table, floor, files, rows, bytes }
      return { row, parts: files === 0 ? [] : [row] }
    },
  )
}

const partOf = ({ path, size_bytes }: { readonly path: string; readonly size_bytes: number }) => ({
  path,
  bytes: size_bytes,
})

async function runFor(
  context: CliContext,
  only: string | undefined,
  { dryRun, json }: Options,
  work: (upkeep: Upkeep, table: string, run: UpkeepRun) => Promise<Told>,
): Promise<void> {
  const { clock, random, config, signal } = context
  const opened: Lake = await existingLake(context)
  const scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-upkeep-'))
  const told: Told[] = []
  try {
    const upkeep = openUpkeep({
      lake: opened,
      clock,
      random,
      scratch_folder,
      config: config.upkeep,
      retention: config.retention,
    })
    for (const table of only === undefined ? await upkeep.tables() : [only]) {
      const progress = (done: number, total: number) => showProgress(`${table} ${done}/${total}`)
      told.push(await work(upkeep, table, { dry_run: dryRun === true, signal, progress }))
      showProgress('')
    }
  } finally {
    await rm(scratch_folder, { recursive: true, force: true })
  }
  const rows = dryRun ? told.flatMap(({ parts }) => parts) : told.map(({ row }) => row)
  const head = Object.keys(rows[0] ?? {})
  context.print(
    json
      ? JSON.stringify(rows, undefined, 2)
      : textTable(
          head,
          rows.map((row) => head.map((name) => row[name] ?? '')),
        ),
  )
}

/** One line on a terminal; nothing where no one looks. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}
