import { join } from 'node:path'
import type { Command } from 'commander'
import { closest } from '../contract/closest.ts'
import { Problem } from '../contract/problem.ts'
import { placeText } from '../contract/redis-place.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import { type Failure, failureOf } from '../jobs/failure.ts'
import { failuresIn } from '../jobs/failures-told.ts'
import { type JobsOptions, openJobs, type RunOptions } from '../jobs/jobs.ts'
import { WHOLE_HISTORY_MS } from '../jobs/ledger.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { openLook } from '../jobs/look.ts'
import { type Rehearsed, rehearse } from '../jobs/rehearsal.ts'
import { lookAtRuns } from '../jobs/runs-under-way.ts'
import { unitTime } from '../jobs/shape.ts'
import { type Lake, openLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import { openQuery } from '../lake/query.ts'
import { receiversOf, runAlerts } from './alerts.ts'
import type { CliContext } from './context.ts'
import { examplesOf } from './examples.ts'
import { existingLake, openLocalLake } from './fleet.ts'
import { giveWay } from './give-way.ts'
import { hourOption } from './hour-option.ts'
import { registerCancel } from './jobs-cancel.ts'
import { registerCheck } from './jobs-check.ts'
import { jobsFigures } from './jobs-figures.ts'
import { queuePlace, shareWork, workAlone } from './jobs-queue.ts'
import { calculateOf } from './jobs-runner.ts'
import { registerTask } from './jobs-task.ts'
import { explainText, planText, runText, statusRows, statusText, summary, unitText } from './jobs-text.ts'
import { lakeCache } from './lake-store.ts'
import { metricsOf, placedMetrics, withoutMetrics } from './metrics-of.ts'
import { processMetrics } from './operations.ts'
import { announce, processLog, runAlone, serveOperations, withdraw } from './service.ts'
import { configuredSpark } from './spark.ts'
import { storeFigures } from './store-figures.ts'
import { untilThere } from './until-there.ts'
import { openUpkeep } from './upkeep.ts'
import { upkeepFigures } from './upkeep-figures.ts'
import { runUpkeepSchedule } from './upkeep-schedule.ts'

type Json = { readonly json?: boolean }
type PlanOptions = Json & { readonly all?: boolean; readonly direct?: boolean }

/** A tenth of a core's time where somebody else wants all of it (sched(7)): commands go first, and metrics do not starve. */
const JOBS_NICENESS = 10

const ONE_A_FOLDER =
  'end it first, or give this one a state folder of its own (HEARTH_HOME), where it finds the same lake in S3'

const EXAMPLES = `
Examples:
  hearth jobs plan
  hearth jobs run
  hearth jobs run hub_hours fleet_hours
  hearth jobs backfill --from 2026-11-17 --to 2026-11-24
  hearth jobs status
  hearth jobs explain hub_hours 2026-11-24T13
  hearth jobs check metrics/kitchen_hours.sql
  hearth jobs check metrics
  hearth jobs cancel
  hearth jobs cancel hub-hours-1f0c9a-2s-9b1e44
  hearth jobs task hub-hours-1f0c9a-2s-9b1e44 0
  hearth jobs scheduler`

export function register(program: Command, context: CliContext): void {
  const jobs = program
    .command('jobs')
    .description('plan, run and explain the metrics')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
  jobs
    .command('plan')
    .description('list every unit that a run would make now, and why; make nothing')
    .option('--all', 'print every unit')
    .option('--direct', 'only what is due by itself, without calculating what follows from it')
    .option('--json', 'print JSON')
    .action((options: PlanOptions) => planOnce(context, options))
  jobs
    .command('run [metrics...]')
    .description('make everything that is due, of these metrics only where they are named')
    .option('--json', 'print JSON')
    .action((named: readonly string[], options: Json) => {
      const metrics = named.length === 0 ? undefined : named.map((name) => known(context, name))
      return runOnce(context, options, { metrics })
    })
  jobs
    .command('backfill')
    .description('make what is due in a span of time, and nothing that stands and is as it should be')
    .requiredOption('--from <time>', 'first hour, as 2026-11-17 or 2026-11-17T06 (UTC)')
    .requiredOption('--to <time>', 'end, exclusive')
    .option('--oldest-first', 'begin with the oldest days, not with the newest')
    .option('--json', 'print JSON')
    .action((options: Json & { readonly from: string; readonly to: string; readonly oldestFirst?: boolean }) => {
      const only = { from_ms: hourOption('--from', options.from), to_ms: hourOption('--to', options.to) }
      if (only.from_ms >= only.to_ms) {
        throw new Problem(
          'invalid',
          `--from must be before --to, which is exclusive; found ${options.from} and ${options.to}`,
        )
      }
      return runOnce(context, options, { only, order: options.oldestFirst ? 'oldest' : 'newest' })
    })
  jobs
    .command('status')
    .description(
      'for each metric: how far it reaches, what is due (hearth jobs plan: why); and runs under way elsewhere',
    )
    .option('--json', 'print JSON')
    .action((options: Json) => status(context, options))
  jobs
    .command('explain <metric> <hour>')
    .description('from what an hour was made, or the first of a day, and why it is due if it is')
    .option('--json', 'print JSON')
    .action(async (metric: string, hour: string, options: Json) => {
      const asked = { metric: known(context, metric), hour_ms: hourOption('<hour>', hour) }
      const { look, lake, metrics } = await lookAt(context)
      const told = await look.explain(asked.metric, asked.hour_ms)
      if (options.json) return context.print(JSON.stringify(told))
      const isDue = told.some(({ cause }) => cause !== undefined)
      const shape = metrics.find(({ name }) => name === asked.metric)?.shape ?? 'hour'
      const length_ms = unitTime(shape)?.length_ms ?? HOUR_MS
      const hour_ms = Math.floor(asked.hour_ms / length_ms) * length_ms
      const failures = isDue ? await failuresOf(context, lake) : []
      const failure = failureOf(failures, asked.metric, [{ first_ms: hour_ms, last_ms: hour_ms }])
      context.print(`${unitText(shape, asked)}\n${explainText(told, failure)}`)
    })
  registerCancel(jobs, context)
  registerCheck(jobs, context)
  registerTask(jobs, context)
  jobs
    .command('scheduler')
    .description('make what is due, again and again, until stopped')
    .action(() => {
      giveWay(JOBS_NICENESS)
      return runJobs(context)
    })
}

/** The schedule in this process, until the context's signal aborts. */
export async function runJobs(context: CliContext): Promise<void> {
  const { clock, config, signal } = context
  const log = processLog(context, 'jobs')
  const place = queuePlace(context)
  // Scratch, ports and what run/ tells are of one.
  runAlone(context, 'jobs', 'jobs scheduler', place ? ONE_A_FOLDER : undefined)
  const receivers = receiversOf(context)
  const metrics = processMetrics('jobs')
  const { metrics: placed, faults } = placedMetrics(context)
  for (const fault of faults) log.warn('metric', `a metric of your own is left out: ${fault}`, { fault })
  const throughFigures = storeFigures(metrics, clock)
  const lake = await untilThere(context, log, () => openLocalLake(context, throughFigures))
  await using spark = configuredSpark(context)
  await using jobs = await openJobs({
    ...jobsOptions(context, lake, placed),
    calculate: await calculateOf(context, lake, placed, 'leave', (message) => log.warn('cluster-away', message)),
    engine: spark?.engine,
  })
  const figures = jobsFigures(
    metrics,
    clock,
    placed.map(({ name }) => name),
  )
  using sharing = place ? await shareWork(place, { clock, lake, log }) : workAlone()
  const unready = () => [
    ...faults.map((fault) => `a metric is left out: ${fault}`),
    ...(figures.failing === undefined ? [] : [`the last run failed: ${figures.failing}`]),
    ...(sharing.away === undefined ? [] : [sharing.away]),
  ]
  const operations = await serveOperations(context, 'jobs', { metrics, log, unready })
  announce(context, 'jobs', { ops_url: operations.url })
  const none = withoutMetrics(context)
  if (none !== undefined) log.warn('no-metrics', none)
  const { interval_ms } = config.jobs
  const reached = (await sharing.reached) ? '' : ', which is not connected yet'
  const through = place ? `, shared through ${placeText(place)}${reached}` : ''
  log.info('ready', `looks for due work each ${interval_ms} ms${through}`, { interval_ms })
  const over = new AbortController()
  const upkeep = runUpkeepSchedule({
    ...{ lake, clock, log, figures: upkeepFigures(metrics, clock), ...config.upkeep, isMine: sharing.claim },
    upkeep: openUpkeep({
      ...{ lake, clock, random: context.random, config: config.upkeep, retention: config.retention },
      scratch_folder: join(context.home, 'spool', 'compact'),
    }),
    signal: AbortSignal.any([signal, over.signal]),
  })
  const alerts = runAlerts(context, { lake, log, metrics, receivers, signal: AbortSignal.any([signal, over.signal]) })
  try {
    await sharing.run({
      ...{ jobs: figures.watch(jobs), clock, signal, interval_ms },
      ran: (runs) => {
        const units = runs.reduce((sum, run) => sum + run.units.length, 0)
        const ms = Math.round(runs.reduce((sum, run) => sum + run.ms, 0))
        log.info('made', `made ${units} units of ${runs.length} metrics in ${ms} ms`, {
          units,
          metrics: runs.length,
          ms,
        })
      },
      failed: (error) => log.failed('failed', error),
    })
  } finally {
    over.abort()
    await upkeep
    await alerts
    await operations.close()
    withdraw(context, 'jobs')
    log.info('ended', 'stopped; what was not committed is made by the next run')
  }
}

/** Those that can be used; of those that cannot, people are told. */
function toldMetrics(context: CliContext): Catalogue {
  const { metrics, faults } = placedMetrics(context)
  for (const fault of faults) context.note(`left out: ${fault}`)
  return metrics
}

async function status(context: CliContext, { json }: Json): Promise<void> {
  const { look, lake, metrics } = await lookAt(context)
  const told = await look.status()
  const under = await lookAtRuns(lake.store, metrics)
  const failures = told.some(({ due }) => due.length > 0) ? await failuresOf(context, lake) : []
  const rows = statusRows(metrics, told, under, failures, context.clock.now())
  context.print(json ? JSON.stringify(rows) : statusText(rows))
}

async function failuresOf(context: CliContext, lake: Lake): Promise<readonly Failure[]> {
  const { clock } = context
  await using query = await openQuery({ lake, clock, threads: 1, cache: lakeCache(context) })
  return await failuresIn(lake, query, clock.now())
}

/** The lake as it is: what looking needs, as the table of a metric that was never made, it makes in memory. */
async function lookAt(context: CliContext) {
  const { clock, random } = context
  const { store } = await existingLake(context)
  const lake = await openLake({ store: overlayStore(store, openMemoryStore({ clock })), clock, random })
  const metrics = toldMetrics(context)
  return { lake, metrics, look: openLook({ lake, clock, metrics, folds: lake.store }) }
}

function jobsOptions(context: CliContext, lake: Lake, metrics: Catalogue): JobsOptions {
  const { clock, config, home, random } = context
  const place = { lake, cache: lakeCache(context), scratch_folder: join(home, 'spool', 'jobs') }
  return { ...place, clock, random, threads: config.jobs.threads, metrics }
}

async function planOnce(context: CliContext, options: PlanOptions): Promise<void> {
  const show = (units: readonly Rehearsed[]) =>
    context.print(options.json ? JSON.stringify(units) : planText(units, options.all === true))
  if (options.direct) {
    const { look } = await lookAt(context)
    show((await look.status()).flatMap(({ due }) => due))
    return
  }
  const { progress, end } = terminalProgress()
  const units = await rehearse(jobsOptions(context, await existingLake(context), toldMetrics(context)), {
    signal: context.signal,
    progress,
  })
  end()
  show(units)
}

/** One line of progress on a terminal; nothing where no one looks. */
function terminalProgress() {
  const onTerminal = process.stderr.isTTY
  return {
    progress: (metric: string, done: number, total: number) => {
      if (onTerminal) process.stderr.write(`\r\u001b[K${metric} ${done}/${total}`)
    },
    end: () => {
      if (onTerminal) process.stderr.write('\r\u001b[K')
    },
  }
}

async function runOnce(
  context: CliContext,
  options: Json,
  what: Pick<RunOptions, 'only' | 'metrics' | 'order'>,
): Promise<void> {
  const lake = await existingLake(context)
  const metrics = toldMetrics(context)
  await using spark = configuredSpark(context)
  const calculate = await calculateOf(context, lake, metrics, 'end', context.note)
  await using jobs = await openJobs({
    ...jobsOptions(context, lake, metrics),
    calculate,
    engine: spark?.engine,
  })
  const { progress, end } = terminalProgress()
  const runs = await jobs.run({ ...what, signal: context.signal, progress })
  end()
  const hasHours = runs.some(({ units }) => units.some(({ hour_ms }) => hour_ms !== WHOLE_HISTORY_MS))
  const why = what.only && !hasHours ? await (await lookAt(context)).look.absence(what.only) : undefined
  const absent = why === undefined ? [] : [`The lake has no hour of that span: ${why}.`]
  const told = [...(runs.length > 0 || why === undefined ? [runText(runs)] : []), ...absent].join('\n')
  context.print(options.json ? JSON.stringify(runs.map(summary)) : told)
}

/** Raises `invalid` for what is no metric, with the one that was meant. */
function known(context: CliContext, metric: string): string {
  const names = metricsOf(context).map(({ name }) => name)
  if (names.includes(metric)) return metric
  const meant = closest(metric, names)
  throw new Problem(
    'invalid',
    `there is no metric ${metric}; ${meant ? `did you mean ${meant}?` : `there are ${names.join(', ')}`}`,
  )
}
