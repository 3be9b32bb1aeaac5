import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import { erasedHubs } from '../ingest/erased-hubs.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import type { Lake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import type { CliContext } from './context.ts'
import { type ErasedTable, erase } from './erasure.ts'
import { forgetCopies, type Place, type ProofOptions, proveErased } from './erasure-proof.ts'
import { existingEventLog } from './event-log.ts'
import { existingLake, hubRecord } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { showProgress } from './lake-upkeep.ts'
import { whole } from './option.ts'
import { shortTime, textTable } from './text-table.ts'

type Options = {
  readonly hub: string
  readonly generation?: number
  readonly dryRun?: boolean
  readonly status?: boolean
  readonly prove?: boolean
  readonly json?: boolean
}

const HOUR_MS = 3_600_000

/** `hearth lake erase`: a hub out of every table, and the proof that it is nowhere. */
export function registerErase(lake: Command, context: CliContext): void {
  lake
    .command('erase')
    .description('erase a hub from the lake: from then on nothing of it is stored, and its rows go from every table')
    .requiredOption('--hub <hub>', 'the hub', hubId)
    .option(
      '--generation <number>',
      'up to which generation of its enrolment; the one that was erased, or that it has now',
      whole(1, 1_000_000_000),
    )
    .option('--dry-run', 'count its rows, and do nothing')
    .option('--status', 'whether it is marked, and how many of its rows are left; do nothing')
    .option('--prove', 'look for it wherever it may be kept; exit code 1 when it is found anywhere')
    .option('--json', 'as JSON')
    .action((options: Options) => runErase(context, options))
}

function hubId(text: string): string {
  if (isId(text)) return text
  throw new InvalidArgumentError('expected the id of a hub')
}

async function runErase(context: CliContext, options: Options): Promise<void> {
  const { clock, random, signal } = context
  const { hub, json } = options
  const lake = await existingLake(context)
  const scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-erase-'))
  const print = (value: object, text: string) => context.print(json ? JSON.stringify(value, undefined, 2) : text)
  try {
    const marked = await markedAs(context, lake, hub)
    const enrolled = await hubRecord(context, hub)
    const generation = options.generation ?? marked?.generation ?? enrolled?.generation
    if (generation === undefined) {
      const message = `the registry here has no hub ${hub}: say with --generation up to which one to erase`
      throw new Problem('missing', message)
    }
    if (options.prove) {
      const mark = marked ?? { generation, since_ms: undefined }
      const places = await withProof(context, { lake, hub, mark, scratch_folder }, proveErased)
      const proved = marked !== undefined && places.every(({ found, unread = 0 }) => found + unread === 0)
      print({ hub, generation, proved, places }, proofText(hub, marked !== undefined, places))
      process.exitCode = proved ? 0 : 1
      return
    }
    const progress = (table: string, done: number, total: number) => showProgress(`${table} ${done}/${total}`)
    const dry_run = options.dryRun === true || options.status === true
    const tables = await erase({ lake, clock, random, scratch_folder, hub, generation, dry_run, signal, progress })
    showProgress('')
    const isActive = enrolled && (enrolled.retired_ms ?? Number.POSITIVE_INFINITY) > clock.now()
    if (!dry_run && isActive && generation >= enrolled.generation) {
      const advice = `hearth registry retire ${hub} ends that; enrolled anew, it is stored again`
      context.note(`${hub} is still enrolled and may go on sending, which is dropped from now on: ${advice}`)
    }
    const mark = (await markedAs(context, lake, hub)) ?? { generation, since_ms: undefined }
    if (!dry_run) await withProof(context, { lake, hub, mark, scratch_folder }, forgetCopies)
    print(
      { hub, generation, marked: marked !== undefined || !dry_run, tables },
      `${marked || !dry_run ? `marked up to generation ${mark.generation}` : 'not marked'}\n\n${erasedText(tables)}`,
    )
    if (!dry_run && !json) context.note(`hearth lake erase --hub ${hub} --prove says what is still to wait for`)
  } finally {
    await rm(scratch_folder, { recursive: true, force: true })
  }
}

/** As `events` has it; a lake that nothing was received in yet has no key, and any will do. */
async function markedAs({ clock, random }: CliContext, lake: Lake, hub: string) {
  const key = await rangesKey(overlayStore(lake.store, openMemoryStore({ clock })), random)
  const snapshot = await (await lake.table(EVENTS_TABLE)).snapshot()
  return erasedHubs(snapshot).get(sourceKey(key, hub))
}

/** Works with what a proof needs. */
async function withProof<T>(
  context: CliContext,
  of: Pick<ProofOptions, 'lake' | 'hub' | 'mark' | 'scratch_folder'>,
  work: (options: ProofOptions) => Promise<T>,
): Promise<T> {
  const { retention_hours, log_retention_hours } = context.config.upkeep
  const log = await existingEventLog(context, of.lake)
  try {
    return await work({
      ...{ ...of, log, cache_folder: lakeCache(context).folder },
      retention_ms: retention_hours * HOUR_MS,
      log_retention_ms: Math.max(retention_hours, log_retention_hours) * HOUR_MS,
    })
  } finally {
    await log?.close()
  }
}

function erasedText(tables: readonly ErasedTable[]): string {
  const rows = tables.map(({ table, files, rows, bytes }) => [table, files, rows, bytes])
  return textTable(['table', 'files', 'rows', 'bytes'], rows)
}

function proofText(hub: string, marked: boolean, places: readonly Place[]): string {
  const rows = places.map(({ place, looked, found, until_ms }) => [
    ...[place, looked, found, until_ms === undefined ? '' : shortTime(until_ms)],
  ])
  return [textTable(['where', 'looked at', 'found in', 'until'], rows), '', verdictOf(hub, marked, places)].join('\n')
}

function verdictOf(hub: string, marked: boolean, places: readonly Place[]): string {
  if (!marked) return `${hub} is not marked as erased: hearth lake erase --hub ${hub}`
  const left = places.filter(({ found }) => found > 0)
  if (left.some(({ place }) => place === 'live data files'))
    return `${hub} is still there: hearth lake erase --hub ${hub}`
  if (left.length > 0)
    return `${hub} is still there: it goes with the next vacuum and log clean-up after these times, and from the event log once the table has it`
  const unread = places.reduce((sum, one) => sum + (one.unread ?? 0), 0)
  if (unread > 0)
    return `${hub} is nowhere else, but ${unread} of the event log cannot be read: hearth verify says which, and what to do`
  return `${hub} is nowhere`
}
