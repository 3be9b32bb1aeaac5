import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import { type DeadLetter, deadLetters, replay } from '../ingest/dead-letters.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import type { CliContext } from './context.ts'
import { openEventLog } from './event-log.ts'
import { examplesOf } from './examples.ts'
import { existingLake, hubRecord } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { whole } from './option.ts'
import { shortTime, textTable } from './text-table.ts'
import { withFile } from './world-fault.ts'

const LIMIT_DEFAULT = 50
const REPLAY_MAX = 10_000

type Options = { readonly source?: string; readonly limit: number; readonly json?: boolean }

const EXAMPLES = `
Examples:
  hearth deadletters list --source demo-01
  hearth deadletters show 2:118:4
  hearth deadletters replay 2:118:4 --line corrected.json
  hearth deadletters replay --source demo-01

An id is <bucket>:<log position>:<ordinal>.`

export function register(program: Command, context: CliContext): void {
  const group = program
    .command('deadletters')
    .description('events that could not be read: list, show, replay')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
  group
    .command('list')
    .description('the newest, newest first; what a replay has stored is not shown')
    .option('--source <id>', 'of one source')
    .option('--limit <count>', 'how many', whole(1, REPLAY_MAX), LIMIT_DEFAULT)
    .option('--json', 'one JSON object a line')
    .action(async (options: Options) => {
      const letters = await find(context, options)
      const { source } = options
      if (letters.length === 0 && source !== undefined && !(await hubRecord(context, source)))
        context.note(`${source} is no hub of the registry: hearth registry hubs lists them`)
      if (options.json) for (const letter of letters) context.print(JSON.stringify(letter))
      else context.print(textTable(HEAD, letters.map(row)))
    })
  group
    .command('show <id>')
    .description('one, with its raw line')
    .action(async (id: string) => context.print(JSON.stringify(await one(context, id), undefined, 2)))
  group
    .command('replay [id]')
    .description('give one, or all of a source, to the writer again')
    .option('--source <id>', 'all of one source')
    .option('--line <file>', 'a corrected line for the one')
    .action(async (id: string | undefined, options: { readonly source?: string; readonly line?: string }) => {
      const letters = await chosen(context, id, options)
      const { line: file } = options
      const line = file && (await withFile('--line', file, 'read', () => readFile(file, 'utf8'))).trimEnd()
      const log = await openEventLog(context, await existingLake(context))
      try {
        for (const letter of letters) await replay(log, letter, line)
      } finally {
        await log.close()
      }
      context.print(
        `${letters.length} handed to the writer; those that are events now leave the list at its next commit`,
      )
    })
}

const HEAD = ['id', 'received', 'source', 'stream', 'seq', 'reason', 'line']

function row(letter: DeadLetter): (string | number)[] {
  const { id, line, reason, received_ms, seq, source, stream } = letter
  return [id, shortTime(received_ms), source, stream ?? '', seq ?? 'batch', reason.slice(0, 60), line.slice(0, 60)]
}

async function chosen(
  context: CliContext,
  id: string | undefined,
  options: { readonly source?: string; readonly line?: string },
): Promise<readonly DeadLetter[]> {
  if (id !== undefined) return [await one(context, id)]
  if (options.source === undefined || options.line !== undefined) {
    throw new Problem('invalid', 'say which: an id, or --source; a corrected --line is for one id')
  }
  const letters = await find(context, { source: options.source, limit: REPLAY_MAX })
  return letters.filter(({ seq }) => seq !== undefined)
}

async function one(context: CliContext, id: string): Promise<DeadLetter> {
  if (!/^\d+:\d+:-?\d+$/.test(id)) {
    const text = `a dead letter's id is <bucket>:<log position>:<ordinal>, as 2:118:4; found ${JSON.stringify(id)}`
    throw new Problem('invalid', text)
  }
  const [letter] = await find(context, { id, limit: 1 })
  if (letter) return letter
  throw new Problem('missing', `there is no dead letter ${id}: hearth deadletters list shows those that there are`)
}

async function find(
  context: CliContext,
  filter: { readonly source?: string; readonly id?: string; readonly limit: number },
): Promise<readonly DeadLetter[]> {
  const scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-dead-'))
  try {
    const lake = await existingLake(context)
    await using local = await openLocalFiles(lake.store, { cache: lakeCache(context), clock: context.clock })
    return await deadLetters({ lake, local, scratch_folder }, filter)
  } finally {
    await rm(scratch_folder, { recursive: true, force: true })
  }
}
