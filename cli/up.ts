import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { Administration } from '../registry/administration.ts'
import { SCOPES } from '../registry/registry.ts'
import type { CliContext } from './context.ts'
import { type Demo, openDemo } from './demo.ts'
import { isFree } from './doctor.ts'
import { openAuthority, openLocalLake, openRegistry, serverTls, serviceTls } from './fleet.ts'
import { flagsGiven, goWith, whole } from './option.ts'
import { RELAY_FLAGS } from './relay-flags.ts'
import { announce, isServing, untilAborted, withdraw } from './service.ts'
import { writeFiles } from './state-file.ts'
import { lockState } from './state-lock.ts'
import { createSupervisor, type ProcessSpec } from './supervisor.ts'
import { takenText, type WantedPort, wantedPorts } from './wanted-ports.ts'

/** Processes of the tree, as they announce themselves. */
const SERVICES = ['ingest', 'relay', 'dashboards', 'jobs', 'hubs'] as const
const EARLIER_WAIT_MS = 20_000
const PORTS_WAIT_MS = 3_000
const LOOK_MS = 100
/** The app that the access link and the local commands act as. */
const LOCAL_APP = 'local'

export function register(program: Command, context: CliContext): void {
  program
    .command('up')
    .description('run the whole system on this machine: relay, ingest, jobs, dashboards')
    .option('--demo', 'with simulated homes, and at the first start a week of their history')
    .option('--hubs <count>', 'simulated homes of the demo', whole(1, 1000), 25)
    .option('--days <count>', 'days of history at the first start of the demo', whole(0, 60), 7)
    .option('--verbose', 'show what each process says')
    .addHelpText(
      'after',
      '\nExamples:\n  hearth up --demo\n  HEARTH_HOME=/var/lib/hearth hearth up\n\nCtrl-C drains; a second one does not wait. State is kept, and the next start goes on from it.',
    )
    .action((options: { demo?: boolean; hubs: number; days: number; verbose?: boolean }, command: Command) => {
      goWith('--demo', options.demo === true, flagsGiven(command, 'hubs', 'days'))
      return up(context, options)
    })
}

async function up(
  context: CliContext,
  options: { demo?: boolean; hubs: number; days: number; verbose?: boolean },
): Promise<void> {
  const { clock, config, home, note, signal } = context
  // Two trees on one state folder would fight over its ports, its log and its outboxes.
  const lock = lockState(
    home,
    'up',
    `Hearth is already running on ${home}: end it first, or set HEARTH_HOME to another folder`,
  )
  note(`starting ingest, relay, dashboards, jobs${options.demo ? ' and the hubs of the demo' : ''}`)
  await waitForEarlier(context)
  await refuseTakenPorts(context)
  announce(context, 'up', {})
  const supervisor = createSupervisor({
    clock,
    environment: { ...process.env, HEARTH_HOME: home },
    note,
    verbose: options.verbose === true,
    colours: process.stderr.isTTY && process.stderr.hasColors(),
  })
  let left_batches: number | undefined
  try {
    const registry = await openRegistry(context)
    const authority = await openAuthority(context, registry)
    await openLocalLake(context)
    // Made here once, so that the processes do not race to make them.
    await serverTls(context, authority, 'relay')
    await serverTls(context, authority, 'ingest')
    await serviceTls(context, authority, config.relay.source)
    const token = await accessToken(home, registry)
    const demo: Demo | undefined = options.demo
      ? await openDemo(context, { registry, authority, hubs: options.hubs, days: options.days })
      : undefined
    const start = (spec: ProcessSpec) => (signal.aborted ? Promise.resolve() : supervisor.start(spec))
    const told = (fact: object) => {
      if ('left_batches' in fact) left_batches = Number(fact.left_batches)
    }
    await start({ name: 'ingest', words: ['ingest'], told })
    const [, , sent] = await Promise.all([
      start({ name: 'relay', words: ['relay'], flags: RELAY_FLAGS }),
      start({ name: 'dashboards', words: ['dashboards'] }),
      demo?.sendHistory(),
    ])
    await start({ name: 'jobs', words: ['jobs', 'scheduler'] })
    if (demo) await start({ name: 'hubs', words: demo.hubWords })
    await registry.close()
    if (!signal.aborted) {
      const link = `http://${config.dashboards.host}:${config.dashboards.port}/?token=${token}`
      context.print(`${styleText('green', 'Hearth is ready:')} ${link}`)
      if (sent) note('the metrics of the history are being made: pages fill as they come (hearth jobs status)')
    }
    await untilAborted(signal)
  } catch (error) {
    // Whatever was cut short by Ctrl-C (the history, a start) goes on at the next start.
    if (!signal.aborted) throw error
  } finally {
    if (signal.aborted) note('draining; Ctrl-C again ends it at once')
    await supervisor.stop()
    if (signal.aborted) note(`stopped: ${leftText(left_batches)}`)
    withdraw(context, 'up')
    lock.release()
  }
}

/** What ingest said at its end; undefined when it did not come to say it. */
function leftText(batches: number | undefined): string {
  if (batches === 0) return 'everything is committed'
  if (batches === undefined) return 'what is not committed yet is kept, and the next start goes on with it'
  return `${batches} batches are in the log, and the next start commits them`
}

/** Processes whose supervisor was killed drain by themselves, and have their files open until they are done. */
async function waitForEarlier(context: CliContext): Promise<void> {
  const { clock, note, signal } = context
  const until_ms = clock.monotonic() + EARLIER_WAIT_MS
  for (const name of SERVICES) {
    for (let told = false; isServing(context, name) && clock.monotonic() < until_ms && !signal.aborted; ) {
      if (!told) note(`${name} of an earlier start is still draining; waiting for it`)
      told = true
      await sleep(clock, LOOK_MS, signal).catch(() => undefined)
    }
  }
}

/** A port may be held for a moment by what has just ended. */
async function refuseTakenPorts({ config, clock, signal }: CliContext): Promise<void> {
  const until_ms = clock.monotonic() + PORTS_WAIT_MS
  let taken = await takenOf(wantedPorts(config))
  while (taken.length > 0 && clock.monotonic() < until_ms && !signal.aborted) {
    await sleep(clock, LOOK_MS, signal).catch(() => undefined)
    taken = await takenOf(taken)
  }
  if (taken.length === 0 || signal.aborted) return
  throw new Problem('unavailable', takenText(taken))
}

async function takenOf(ports: readonly WantedPort[]): Promise<readonly WantedPort[]> {
  const taken: WantedPort[] = []
  for (const one of ports) if (!(await isFree(one.host, one.port))) taken.push(one)
  return taken
}

/** The token of this machine's own user: the access link, `hearth send`. Kept in the state folder, mode 0600. */
async function accessToken(home: string, registry: Administration): Promise<string> {
  const path = join(home, 'run', 'token')
  if (existsSync(path)) {
    const token = readFileSync(path, 'utf8').trim()
    try {
      registry.verifyToken(token)
      return token
    } catch (error) {
      if (!(error instanceof Problem && error.kind === 'unauthorized')) throw error
    }
  }
  const token = await registry.createToken({ app: LOCAL_APP, scopes: SCOPES })
  mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 })
  writeFiles([[path, `${token}\n`]])
  return token
}
