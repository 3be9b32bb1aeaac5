import { type Command, InvalidArgumentError } from 'commander'
import { Problem } from '../contract/problem.ts'
import { acceptLoss } from '../ingest/accept-loss.ts'
import type { CliContext } from './context.ts'
import { existingEventLog, logPlace } from './event-log.ts'
import { existingLake, layoutOf } from './fleet.ts'
import { whole } from './option.ts'

type Options = { readonly by: string; readonly dryRun?: boolean; readonly json?: boolean }

export const ACCEPT_LOSS_EXAMPLES = `  hearth lake accept-loss 3 --by anna@example.com --dry-run
  hearth lake accept-loss 3 --by anna@example.com`

/** `hearth lake accept-loss`: what a stopped bucket lacks is given up, on record, and the bucket goes on. */
export function registerAcceptLoss(lake: Command, context: CliContext): void {
  lake
    .command('accept-loss')
    .argument('<bucket>', 'as the alarm names it', whole(0, 1_000_000))
    .description(
      'let a stopped bucket go on without what its log lost or what cannot be read; a row of losses says who did',
    )
    .requiredOption('--by <who>', 'who accepts it: for the record', name)
    .option('--dry-run', 'say what would be given up, and do nothing')
    .option('--json', 'as JSON')
    .action((bucket: number, options: Options) => runAcceptLoss(context, bucket, options))
}

function name(text: string): string {
  if (/^\S.{0,99}$/.test(text)) return text
  throw new InvalidArgumentError('expected a name of at most 100 characters')
}

async function runAcceptLoss(context: CliContext, bucket: number, options: Options): Promise<void> {
  const { clock, random } = context
  const { by, dryRun: dry_run, json } = options
  const lake = await existingLake(context)
  const log = await existingEventLog(context, lake)
  if (!log) throw new Problem('missing', `there is no event log here: ${logPlace(context, lake)}`)
  try {
    const layout = layoutOf(context)
    const accepted = await acceptLoss({ lake, log, layout, clock, random, bucket, by, dry_run })
    const { loss, next } = accepted
    if (json) return context.print(JSON.stringify({ ...accepted, dry_run: dry_run === true }, undefined, 2))
    context.print(`bucket ${bucket}: ${loss.reason}`)
    context.print(
      dry_run
        ? 'nothing was done: without --dry-run it is'
        : `a writer that runs goes on from ${next} within a minute or so; hearth verify counts what is missing`,
    )
  } finally {
    await log.close()
  }
}
