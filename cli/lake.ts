import type { Command } from 'commander'
import { type Lake, openLake } from '../lake/lake.ts'
import { duckDbType } from '../lake/schema.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { Table } from '../lake/table.ts'
import type { CliContext } from './context.ts'
import { examplesOf } from './examples.ts'
import { ACCEPT_LOSS_EXAMPLES, registerAcceptLoss } from './lake-accept-loss.ts'
import { registerLakeDoctor } from './lake-doctor.ts'
import { registerErase } from './lake-erase.ts'
import { PROMOTE_EXAMPLES, registerPromote } from './lake-promote.ts'
import { lakeStore } from './lake-store.ts'
import { registerUpkeep, UPKEEP_EXAMPLES } from './lake-upkeep.ts'
import { whole } from './option.ts'
import { parseAt } from './sql.ts'
import { shortTime, textTable } from './text-table.ts'

type Options = { json?: boolean; at?: string; limit?: number }
type Cells = readonly (string | number)[]

const EXAMPLES = `
Examples:
  hearth lake info
  hearth lake tables
  hearth lake describe events
  hearth lake files events --at v1
  hearth lake history events --limit 5
  hearth lake doctor
${PROMOTE_EXAMPLES}
  hearth lake erase --hub kitchen-1 --dry-run
${ACCEPT_LOSS_EXAMPLES}
${UPKEEP_EXAMPLES}`

/** `hearth lake`: what the tables hold, from their logs alone; no data file is read. And their upkeep. */
export function register(program: Command, context: CliContext): void {
  const lake = program
    .command('lake')
    .description('look into the tables of the lake, and look after them')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
  registerLakeDoctor(lake, context)
  registerPromote(lake, context)
  registerUpkeep(lake, context)
  registerErase(lake, context)
  registerAcceptLoss(lake, context)
  const open = () => openLake({ store: lakeStore(context), clock: context.clock, random: context.random })
  const show = (options: Options, head: readonly string[], rows: readonly Cells[]) =>
    context.print(
      options.json
        ? JSON.stringify(
            rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]]))),
            undefined,
            2,
          )
        : textTable(head, rows),
    )

  lake
    .command('info')
    .description('whose lake it is, and how it is split')
    .option('--json', 'as JSON')
    .action(async (options: Options) => {
      const { id, fleet, region, layouts, store } = await open()
      const facts = { lake: id, fleet, region, url: store.url, layouts }
      if (options.json) context.print(JSON.stringify(facts, undefined, 2))
      else {
        const split = layouts.map(({ epoch, buckets }) => `epoch ${epoch}: ${buckets} buckets`).join(', ')
        context.print(
          textTable(
            ['what', 'value'],
            Object.entries({ ...facts, layouts: split }).map(([name, value]) => [name, value]),
          ),
        )
      }
    })

  lake
    .command('tables')
    .description('every table with its version, files, rows and bytes')
    .option('--json', 'as JSON')
    .action(async (options: Options) => {
      const opened = await open()
      const rows = await Promise.all((await opened.tables()).map((name) => tableRow(opened, name)))
      show(options, ['table', 'version', 'committed', 'files', 'rows', 'bytes', 'columns'], rows)
    })

  lake
    .command('files <table>')
    .description('data files of a table, with rows, bytes and tags')
    .option('--at <when>', "a time, as '2026-11-20 10:00', or a version, as v12")
    .option('--json', 'as JSON')
    .action(async (name: string, options: Options) => {
      const snapshot = await snapshotAt(await (await open()).table(name), options.at)
      const files = [...snapshot.files.values()].map((file) => [
        file.path,
        decodeStatistics(file.stats)?.numRecords ?? '?',
        file.size,
        shortTime(file.modificationTime),
        Object.entries(file.tags ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(' '),
      ])
      show(options, ['file', 'rows', 'bytes', 'written', 'tags'], files)
    })

  lake
    .command('history <table>')
    .description('what each version did, newest first')
    .option('--limit <versions>', 'how many', whole(1, 1_000_000), 20)
    .option('--json', 'as JSON')
    .action(async (name: string, options: Options) => {
      const table = await (await open()).table(name)
      const newest = await table.snapshot()
      const from = Math.max(await table.oldest(), newest.version + 1 - Math.max(1, options.limit ?? 20))
      const versions = await Array.fromAsync(table.history(from))
      const rows = versions.toReversed().map(({ version, timestamp_ms, info, operation, adds, removes }) => {
        const added = adds.reduce((sum, { stats }) => sum + (decodeStatistics(stats)?.numRecords ?? 0), 0)
        return [version, shortTime(timestamp_ms), info?.kind ?? operation ?? '?', adds.length, removes.length, added]
      })
      show(options, ['version', 'committed', 'kind', 'added', 'removed', 'rows added'], rows)
    })

  lake
    .command('describe <table>')
    .description('columns of a table with type, unit and meaning')
    .option('--at <when>', 'a time or a version, as for files')
    .option('--json', 'as JSON')
    .action(async (name: string, options: Options) => {
      const { columns, partition } = await snapshotAt(await (await open()).table(name), options.at)
      const rows = columns.map((column) => [
        column.name,
        duckDbType(column.type),
        column.unit ?? '',
        partition.includes(column.name) ? `${column.meaning} (partition)` : column.meaning,
      ])
      show(options, ['column', 'type', 'unit', 'meaning'], rows)
    })
}

async function tableRow(lake: Lake, name: string): Promise<Cells> {
  const { version, timestamp_ms, files, columns } = await (await lake.table(name)).snapshot()
  const all = [...files.values()]
  const rows = all.reduce((sum, { stats }) => sum + (decodeStatistics(stats)?.numRecords ?? 0), 0)
  const bytes = all.reduce((sum, { size }) => sum + size, 0)
  return [name, version, shortTime(timestamp_ms), files.size, rows, bytes, columns.length]
}

/** `v12`, or what `--at` of `hearth sql` takes as a time. */
async function snapshotAt(table: Table, at: string | undefined): Promise<Snapshot> {
  if (at === undefined) return await table.snapshot()
  const version = /^v(\d+)$/.exec(at)?.[1]
  return await table.snapshot(
    version === undefined ? { time_ms: parseAt([at])?.time_ms } : { version: Number(version) },
  )
}
