import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { type Command, Option } from 'commander'
import { type IntervalSet, size } from '../contract/interval.ts'
import { readAckJournal } from '../ingest/ack-journal.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { isWrong, type Verification, type VerifiedStream, verify } from '../ingest/verify.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import type { CliContext } from './context.ts'
import { existingEventLog } from './event-log.ts'
import { existingLake, layoutOf } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { flagsGiven, goWith, whole } from './option.ts'
import { textTable } from './text-table.ts'
import { commandsReport, type VerifyCommandsOptions, verifyCommands } from './verify-commands.ts'
import { withFile } from './world-fault.ts'

/** Streams that are printed unless all are asked for: those with something wrong first. */
const STREAMS_SHOWN = 20

type Options = Partial<VerifyCommandsOptions> & {
  readonly acks?: string
  readonly json?: boolean
  readonly all?: boolean
  readonly commands?: boolean
}

export function register(program: Command, context: CliContext): void {
  program
    .command('verify')
    .description('prove from the tables that nothing acknowledged was lost or doubled')
    .addOption(
      new Option(
        '--acks <file>',
        'also check a journal of acknowledgements: lines {source, boot, stream, seq}',
      ).conflicts('commands'),
    )
    .addOption(new Option('--all', 'print every (source, boot, stream)').conflicts('commands'))
    .option('--commands', 'prove of commands instead: one end each, the same in tables, journals of hubs and answers')
    .option('--answers <file>', 'with --commands: what apps were answered, lines {command, outcome}')
    .option('--at-rest', 'with --commands: nothing runs any more, so each must have ended')
    .option('--days <count>', 'with --commands: so far back', whole(1, 400), 2)
    .option('--json', 'print the whole result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  hearth verify\n  hearth verify --acks acks.ndjson --json\n  hearth verify --commands\n\nExit code 1 when anything is lost or doubled, a promise is broken, an acknowledged event is nowhere, a record of the event log cannot be read, or a bucket is stopped. What was given up with hearth lake accept-loss is told apart, and is no reason for it. With --commands: when a command has no end, or two that differ, or was carried out twice.',
    )
    .action(async (options: Options, command: Command) => {
      goWith('--commands', options.commands === true, flagsGiven(command, 'answers', 'atRest', 'days'))
      if (options.commands) {
        const found = await verifyCommands(context, { ...options, days: options.days ?? 2 })
        context.print(options.json ? JSON.stringify(found, undefined, 2) : commandsReport(found))
        process.exitCode = found.ok ? 0 : 1
        return
      }
      const result = await runVerify(context, options)
      context.print(options.json ? JSON.stringify(result, undefined, 2) : reportOf(result, options.all === true))
      process.exitCode = result.ok ? 0 : 1
    })
}

export async function runVerify(context: CliContext, options: Pick<Options, 'acks'>): Promise<Verification> {
  const { clock, random } = context
  const { acks: path } = options
  const acks = path === undefined ? {} : { acks: await withFile('--acks', path, 'read', () => readAckJournal(path)) }
  const layout = layoutOf(context)
  const lake = await existingLake(context)
  const log = await existingEventLog(context, lake)
  // Where nothing was ever received there is no key, and any will do.
  const key = await rangesKey(overlayStore(lake.store, openMemoryStore({ clock })), random)
  const scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-verify-'))
  await using local = await openLocalFiles(lake.store, { cache: lakeCache(context), clock })
  try {
    return await verify({
      ...{ lake, layout, now_ms: clock.now(), local, scratch_folder, key },
      ...(log ? { log } : {}),
      ...acks,
    })
  } finally {
    await log?.close()
    await rm(scratch_folder, { recursive: true, force: true })
  }
}

function reportOf(result: Verification, all: boolean): string {
  const { totals, acknowledged } = result
  const lines = [
    textTable(
      ['events', 'count', ''],
      [
        ...(acknowledged ? [['acknowledged', acknowledged.journal, 'in the journal']] : []),
        ['sent', totals.sent, 'numbers that sources gave out'],
        ['stored', totals.stored, 'rows of the table events'],
        ['dead', totals.dead, 'set aside: hearth deadletters list'],
        ['dropped', totals.dropped, 'discarded by their source, which said so'],
        ['lost, accepted', totals.accepted, 'acknowledged, and given up: hearth lake accept-loss'],
        ['pending', totals.pending, 'may still come'],
        ['lost', totals.lost, 'will not come'],
        ['broken promises', totals.broken, 'acknowledged, and nowhere'],
        ['duplicates removed', totals.duplicates, 'sent again, stored once'],
        ['taken away', totals.gone, 'of those stored or dead, by retention or erasure'],
        ['in the log', totals.in_log, 'durable, not in the table yet'],
      ],
    ),
  ]
  const shown = [...result.streams].sort((a, b) => Number(isWrong(b)) - Number(isWrong(a)))
  const some = all ? shown : shown.filter((one, i) => isWrong(one) || i < STREAMS_SHOWN).slice(0, 10 * STREAMS_SHOWN)
  lines.push('', textTable(STREAM_HEAD, some.map(streamRow)))
  if (some.length < shown.length)
    lines.push(`… and ${shown.length - some.length} more, all complete (--all shows them)`)
  for (const one of shown.filter((one) => isWrong(one) || one.accepted.length > 0).slice(0, 10 * STREAMS_SHOWN))
    lines.push(...complaints(one))
  for (const one of acknowledged?.missing ?? []) {
    lines.push(`${one.source} ${one.boot} ${one.stream}: acknowledged, and nowhere: ${rangesText(one.numbers)}`)
  }
  for (const one of acknowledged?.accepted ?? []) {
    lines.push(`${one.source} ${one.boot} ${one.stream}: acknowledged, lost and accepted: ${rangesText(one.numbers)}`)
  }
  for (const { bucket, reason } of result.accepted) lines.push(`bucket ${bucket}: ${reason}`)
  for (const { bucket, position, reason } of result.unreadable) {
    const advice = `mend it, or give it up: hearth lake accept-loss ${bucket}`
    lines.push(`bucket ${bucket}: position ${position} of the log cannot be read: ${reason}: ${advice}`)
  }
  for (const { bucket, reason } of result.stopped) {
    const advice = `docs/operations.md, HearthBucketStopped; what would be given up: hearth lake accept-loss ${bucket} --by NAME --dry-run`
    lines.push(`bucket ${bucket} is stopped: ${reason}: ${advice}`)
  }
  for (const { bucket, reason } of result.left_logs) lines.push(`bucket ${bucket}, another log: ${reason}`)
  const buts = [
    ...(result.accepted.length > 0 ? ['what was accepted as lost'] : []),
    ...(result.left_logs.length > 0 ? ['what another log may have held'] : []),
  ]
  const but = buts.length > 0 ? `, but for ${buts.join(' and ')}` : ''
  const verdict = result.ok
    ? styleText('green', `complete: nothing acknowledged is lost or doubled${but}`)
    : styleText('red', 'NOT complete')
  return [...lines, '', `${verdict} (events at version ${result.version})`].join('\n')
}

const STREAM_HEAD = [
  'source',
  'boot',
  'stream',
  'sent',
  'stored',
  'dead',
  'dropped',
  'accepted',
  'pending',
  'lost',
  'duplicates',
]

function streamRow(one: VerifiedStream): (string | number)[] {
  return [
    ...[one.source, one.boot, one.stream, one.sent, one.stored],
    ...[one.dead, one.dropped, size(one.accepted), one.pending, one.lost, one.duplicates],
  ]
}

function complaints(one: VerifiedStream): string[] {
  const name = `${one.source} ${one.boot} ${one.stream}`
  const found: [IntervalSet, string][] = [
    [one.lost > 0 ? one.missing : [], 'lost'],
    [one.accepted, 'acknowledged, lost and accepted'],
    [one.broken_numbers, 'acknowledged, and neither stored, dead nor dropped'],
    [one.rows_missing, 'received, but the table has no such row'],
    [one.rows_doubled, 'in the table more than once'],
    [one.rows_unknown, 'in the table, but never received'],
  ]
  return found.filter(([set]) => set.length > 0).map(([set, what]) => `${name}: ${what}: ${rangesText(set)}`)
}

function rangesText(set: IntervalSet): string {
  const text = set.slice(0, 10).map(([from, to]) => (to - from === 1 ? String(from) : `${from}–${to - 1}`))
  return text.join(', ') + (set.length > 10 ? ` and ${set.length - 10} more ranges` : '')
}
