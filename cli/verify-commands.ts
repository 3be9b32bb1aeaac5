/** `hearth verify --commands`: tables, journals of hubs and answers of apps tell one end of each command. */
import { createReadStream, existsSync, globSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { styleText } from 'node:util'
import { z } from 'zod'
import { OUTCOMES } from '../contract/command.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { readJournal } from '../hub-agent/journal.ts'
import { openQuery } from '../lake/query.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import {
  type AnsweredCommand,
  type CommandProof,
  type JournalledCommand,
  proveCommands,
  type ToldCommand,
} from '../relay/command-proof.ts'
import type { CliContext } from './context.ts'
import { existingLake, layoutOf } from './fleet.ts'
import { hubFolder } from './hub-identity.ts'
import { lakeCache } from './lake-store.ts'
import { textTable } from './text-table.ts'
import { withFile } from './world-fault.ts'

const FAULTS_SHOWN = 100

export type VerifyCommandsOptions = { readonly answers?: string; readonly atRest?: boolean; readonly days: number }
export type VerifiedCommands = CommandProof & {
  /** Hubs whose journals were read, and those of which a running process has it. */
  readonly journals: { readonly read: number; readonly in_use: readonly string[] }
}

export async function verifyCommands(context: CliContext, options: VerifyCommandsOptions): Promise<VerifiedCommands> {
  const { answers: path } = options
  const answers = path === undefined ? [] : await withFile('--answers', path, 'read', () => readAnswers(path))
  const { journals, in_use } = journalsOf(context)
  const told = await toldCommands(context, options.days)
  const at_rest = options.atRest === true
  const now_ms = context.clock.now()
  return { ...proveCommands({ told, journals, answers, now_ms, at_rest }), journals: { read: journals.size, in_use } }
}

const row = z.tuple([
  z.string(),
  z.string(),
  z.coerce.number(),
  z.coerce.number().nullable(),
  z.array(z.tuple([z.string(), z.string()])),
  z.array(z.string()),
])

async function toldCommands(context: CliContext, days: number): Promise<ToldCommand[]> {
  const { clock } = context
  const lake = await existingLake(context)
  await using query = await openQuery({ lake, clock, cache: lakeCache(context) })
  const since = new Date(clock.now() - days * 86_400_000).toISOString().slice(0, 10)
  const told: ToldCommand[] = []
  // A bucket at a time: an answer holds so many rows and no more.
  for (let bucket = 0; bucket < layoutOf(context).buckets; bucket++) {
    const { rows, truncated } = await query.run(sqlOf(bucket, since))
    if (truncated) throw new Problem('limit', `bucket ${bucket} has too many commands for one look: --days fewer`)
    for (const one of rows) {
      const [command, hub, issued_ms, deadline_ms, ends, at_hub] = row.parse(one)
      const relay = ends.map(([, stage]) => stage)
      const by_relay = [...Map.groupBy(ends, ([source]) => source).values()].map((all) => all.map(([, stage]) => stage))
      told.push({ command, hub, issued_ms, deadline_ms: deadline_ms ?? undefined, relay, by_relay, at_hub })
    }
  }
  return told
}

function sqlOf(bucket: number, since: string): string {
  const outcomes = OUTCOMES.map((outcome) => `'${outcome}'`).join(', ')
  return `SELECT command_id, hub_id, epoch_ms(MIN(issued_time)) AS issued_ms,
    MAX(TRY_CAST(extra['deadline_ms'] AS DOUBLE)) AS deadline_ms,
    COALESCE(LIST([source_id, stage] ORDER BY received_time, seq) FILTER (source_id <> hub_id AND stage IN (${outcomes})), []) AS relay,
    COALESCE(LIST(stage ORDER BY received_time, seq) FILTER (source_id = hub_id AND stage <> 'received'), []) AS at_hub
  FROM command_stages WHERE bucket = ${bucket} AND event_date >= DATE '${since}' AND command_id IS NOT NULL
  GROUP BY command_id, hub_id`
}

/** Of the hubs of this state folder; one whose agent runs has its journal to itself. */
function journalsOf(context: CliContext) {
  const journals = new Map<string, readonly JournalledCommand[]>()
  const in_use: string[] = []
  for (const file of globSync(join(hubFolder(context, '*'), 'agent.db')).sort()) {
    const hub = basename(dirname(file))
    try {
      const disk = openSqliteDisk(file)
      try {
        journals.set(
          hub,
          readJournal(disk).map(({ command, ended }) => ({ command, ended: ended?.stage })),
        )
      } finally {
        disk.close()
      }
    } catch (error) {
      if (!isProblem(error, 'conflict')) throw error
      in_use.push(hub)
    }
  }
  return { journals, in_use }
}

const answer = z.object({ command: z.string(), outcome: z.enum(OUTCOMES) })

/** Lines `{command, outcome}`. A last line that was cut off, as by a crash, is passed over. Raises `invalid`, `missing`. */
async function readAnswers(path: string): Promise<AnsweredCommand[]> {
  if (!existsSync(path)) throw new Problem('missing', `there is no file ${path}`)
  const answers: AnsweredCommand[] = []
  let bad: string | undefined
  let number = 0
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (bad !== undefined) throw new Problem('invalid', bad)
    number++
    if (text.trim() === '') continue
    const parsed = answer.safeParse(jsonOf(text))
    if (parsed.success) answers.push(parsed.data)
    else bad = `line ${number} of ${path} is no answer {command, outcome}: ${text.slice(0, 80)}`
  }
  return answers
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function commandsReport(found: VerifiedCommands): string {
  const { outcomes, running, untold, answers, offline_elsewhere, journals, faults, ok } = found
  const rows: (string | number)[][] = [
    ...OUTCOMES.map((outcome) => [outcome, outcomes[outcome] ?? 0, '']),
    ['running', running, 'their time is not over'],
    ['told by a journal alone', untold, 'their events are on the way, or older than --days'],
    ['offline at one relay, sent by another', offline_elsewhere, 'an app repeated it while that one was gone'],
    ['answers of apps', answers, 'compared with the end'],
    ['journals of hubs', journals.read, 'compared with the end'],
  ]
  const lines = [textTable(['commands', 'count', ''], rows)]
  if (journals.in_use.length > 0)
    lines.push('', `not read, since their agents run: ${journals.in_use.join(', ')}; end them for the whole proof`)
  if (faults.length > 0) lines.push('')
  for (const { command, hub, fault } of faults.slice(0, FAULTS_SHOWN))
    lines.push(`${command}${hub === undefined ? '' : ` to ${hub}`}: ${fault}`)
  if (faults.length > FAULTS_SHOWN) lines.push(`… and ${faults.length - FAULTS_SHOWN} more (--json has all)`)
  const verdict = ok
    ? styleText('green', 'complete: each command has one end, the same for everybody, and none was carried out twice')
    : styleText('red', 'NOT complete')
  return [...lines, '', verdict].join('\n')
}
