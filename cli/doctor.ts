import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, globSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { z } from 'zod'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { RANGES_KEY_PATH } from '../ingest/ranges-store.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { LAKE_PATH } from '../lake/lake.ts'
import type { Disk } from '../link/disk.ts'
import { openLogDisk } from '../link/log-disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { absentHubs } from './absent-hubs.ts'
import { askJson } from './ask-json.ts'
import { variableOf } from './config.ts'
import type { CliContext } from './context.ts'
import { readPlan } from './demo.ts'
import { directoryFindings } from './doctor-directory.ts'
import { brokersFinding, logFinding } from './doctor-log.ts'
import { queueFindings } from './doctor-queue.ts'
import { registryFinding } from './doctor-registry.ts'
import { storeFindings } from './doctor-store.ts'
import { existingLake } from './fleet.ts'
import { hubFolder } from './hub-identity.ts'
import { lakeStore } from './lake-store.ts'
import { CLOCK_BACK_MAX_MS } from './limits.ts'
import { placedMetrics } from './metrics-of.ts'
import { relayPlace } from './relay-disk.ts'
import { lockState } from './state-lock.ts'
import { wantedPorts } from './wanted-ports.ts'

export type Finding = {
  readonly check: string
  readonly state: 'good' | 'warning' | 'bad'
  readonly found: string
  /** What to do about it. */
  readonly advice?: string
}

const DISK_WARNING_BYTES = 2 * 1024 ** 3
const CA_WARNING_DAYS = 365
const MARK = { good: 'ok', warning: 'warn', bad: 'FAIL' } as const
const COLOUR = { good: 'green', warning: 'yellow', bad: 'red' } as const

export function register(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('check this installation and say what to do')
    .option('--json', 'findings as JSON')
    .addHelpText('after', '\nExamples:\n  hearth doctor\n  hearth doctor --json\n\nExit code 1 if anything is bad.')
    .action(async (options: { json?: boolean }) => {
      const findings = await examine(context)
      if (options.json) context.print(JSON.stringify(findings, undefined, 2))
      else for (const finding of findings) context.print(lineOf(finding, 16))
      if (findings.some((finding) => finding.state === 'bad')) process.exitCode = 1
    })
}

/** A finding for people, its check in a column of `width`. */
export function lineOf({ check, state, found, advice }: Finding, width: number): string {
  const mark = styleText(COLOUR[state], MARK[state].padEnd(4), { stream: process.stdout })
  return `${mark}  ${check.padEnd(width)} ${found}${advice ? `\n${' '.repeat(width + 7)}${advice}` : ''}`
}

type DoctorContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

/** Every check of the installation, in the order in which one would make them by hand. */
export async function examine(context: DoctorContext): Promise<readonly Finding[]> {
  const { home } = context
  const running = runningProcesses(home)
  const alive = new Set(running.filter((one) => one.alive).map(({ name }) => name))
  return [
    node(),
    stateFolder(home),
    disk(home),
    clockOf(context),
    ...(await stored(context)),
    ...ownMetrics(context),
    ...(await queueFindings(context)),
    ...(await directoryFindings(context)),
    ...(alive.size > 0
      ? []
      : [{ check: 'processes', state: 'warning', found: 'nothing runs here', advice: 'hearth up starts it' } as const]),
    ...(await Promise.all(running.map((one) => health(context, one)))),
    ...(alive.has('relay') ? [await hubs(context)] : []),
    ...(await ports(context, running)),
  ]
}

function node(): Finding {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 24) return { check: 'node', state: 'good', found: process.version }
  return { check: 'node', state: 'bad', found: process.version, advice: 'Hearth needs Node 24: npm ci brings it' }
}

/** Metrics of the folder that is configured. */
function ownMetrics(context: DoctorContext): readonly Finding[] {
  const check = 'own metrics'
  const { metrics: folder } = context.config.jobs
  if (folder === '') return []
  const advice = 'hearth jobs check FILE says more; until it is mended the other metrics go on without it'
  try {
    const { metrics, faults } = placedMetrics(context)
    if (faults.length > 0) return faults.map((found) => ({ check, state: 'bad', found, advice }))
    return [{ check, state: 'good', found: `${metrics.length - catalogue().length} in ${folder}` }]
  } catch (error) {
    const lost = 'jobs and dashboards do not start without it: correct jobs.metrics (HEARTH_JOBS_METRICS)'
    return [{ check, state: 'bad', found: messageOf(error), advice: lost }]
  }
}

function stateFolder(home: string): Finding {
  try {
    if (!existsSync(home)) {
      const advice = 'hearth up makes it; for another one set HEARTH_HOME'
      return { check: 'state folder', state: 'warning', found: `there is no ${home} yet`, advice }
    }
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK)
    return { check: 'state folder', state: 'good', found: home }
  } catch (error) {
    return {
      check: 'state folder',
      state: 'bad',
      found: messageOf(error),
      advice: `make ${home} writable, or set HEARTH_HOME`,
    }
  }
}

function disk(home: string): Finding {
  if (!existsSync(home)) return disk(dirname(home))
  const { bavail, bsize } = statfsSync(home)
  const free_bytes = bavail * bsize
  const found = `${(free_bytes / 1024 ** 3).toFixed(1)} GiB free`
  if (free_bytes >= DISK_WARNING_BYTES) return { check: 'disk', state: 'good', found }
  return {
    check: 'disk',
    state: 'warning',
    found,
    advice: 'batches are refused, never lost, when the disk is full: make room',
  }
}

/** The lake's store, and what is durable: of a store that cannot be used there is no more to say. */
async function stored(context: DoctorContext): Promise<readonly Finding[]> {
  const store = await storeFindings(context)
  if (store.some(({ state, check }) => state === 'bad' && check === 'lake store')) return store
  return [...store, ...(await formats(context))]
}

/** The durable things in the state folder, and whether this Hearth can read them. Nothing is changed. */
async function formats(context: DoctorContext): Promise<Finding[]> {
  const { home } = context
  const store = lakeStore(context)
  const inLake = async (path: string) => (await store.head(path)) !== undefined
  const isKafka = context.config.kafka.brokers !== ''
  if (!(await inLake(LAKE_PATH)))
    return [
      { check: 'lake', state: 'warning', found: 'there is no lake yet', advice: 'hearth up makes one' },
      ...(isKafka ? [await brokersFinding(context)] : []),
    ]
  // The key of ranges is what ingest adds to a lake: without it the start that made the lake came no further.
  const begun = await inLake(RANGES_KEY_PATH)
  const isThere = (file: string) => begun || existsSync(join(home, file))
  const notYet = (check: string, file: string): Finding => {
    return { check, state: 'warning', found: `there is no ${join(home, file)} yet`, advice: 'hearth up makes it' }
  }
  const checkedFile = (
    check: string,
    file: string,
    look: (path: string) => Promise<string>,
  ): Finding | Promise<Finding> => (isThere(file) ? checked(check, () => look(join(home, file))) : notYet(check, file))
  return Promise.all([
    checked('lake', async () => {
      const { id, fleet, region } = await existingLake(context)
      return `${id}, fleet ${fleet}, region ${region}`
    }),
    context.config.registry.url !== '' || isThere('registry.db')
      ? registryFinding(context)
      : notYet('registry', 'registry.db'),
    isKafka || isThere('log.db') ? logFinding(context) : notYet('event log', 'log.db'),
    checked('relay and hubs', async () => {
      const relay = [join(home, relayPlace(context.config.relay.source))].filter(existsSync)
      const hubs = globSync(join(hubFolder(context, '*'), 'agent.db'))
      const used = [
        ...relay.filter((path) => isInUse(path, openLogDisk)),
        ...hubs.filter((path) => isInUse(path, openSqliteDisk)),
      ]
      return `${relay.length + hubs.length} disks${used.length > 0 ? `, ${used.length} of them in use` : ''}`
    }),
    checked('demo', async () => {
      const path = join(home, 'demo.json')
      if (!existsSync(path)) return 'none'
      const { hubs, days, sent } = readPlan(path)
      return `${hubs} hubs with ${days} days of history${sent ? '' : ', not all of it sent'}`
    }),
    checkedFile('authority', 'ca/ca.pem', async (path) => {
      const certificate = new X509Certificate(readFileSync(path))
      const left_days = (certificate.validToDate.getTime() - context.clock.now()) / 86_400_000
      if (left_days < CA_WARNING_DAYS)
        throw new Problem('invalid', `the CA certificate ends in ${left_days.toFixed(0)} days: plan a new one`)
      return `good for ${Math.floor(left_days)} days`
    }),
  ])
}

/** Has a running process this disk? It answers for it. Raises `corrupt` for one that this Hearth cannot read. */
function isInUse(path: string, open: (path: string) => Disk): boolean {
  try {
    open(path).close()
    return false
  } catch (error) {
    if (isProblem(error, 'conflict')) return true
    throw error
  }
}

async function checked(check: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { check, state: 'good', found: await look() }
  } catch (error) {
    const advice = 'the message says what was expected; nothing was changed'
    return { check, state: 'bad', found: messageOf(error), advice }
  }
}

/** A clock that is behind what this installation wrote down is wrong now, or was ahead then. */
function clockOf({ home, clock }: DoctorContext): Finding {
  const log = join(home, 'log.db-wal')
  const written_ms = [join(home, 'log.db'), log].filter(existsSync).map((path) => statSync(path).mtimeMs)
  const behind_ms = Math.max(0, ...written_ms) - clock.now()
  const now = new Date(clock.now()).toISOString()
  if (behind_ms <= CLOCK_BACK_MAX_MS) return { check: 'clock', state: 'good', found: now }
  const advice = 'set the clock of this machine right: times of events are computed from it'
  return { check: 'clock', state: 'bad', found: `${now}, ${(behind_ms / 1000).toFixed(0)} s behind the log`, advice }
}

/** What each running process says of itself, from its health port. */
async function health({ home, clock }: DoctorContext, { name, pid, alive, ops_url }: Running): Promise<Finding> {
  if (!alive) {
    const held = ['up', 'ingest'].includes(name) && isLocked(home, name)
    const found = `process ${pid} is gone${held ? ', but its lock is held' : ''}`
    return held
      ? { check: name, state: 'bad', found, advice: `another process holds run/${name}.lock: end it (fuser names it)` }
      : { check: name, state: 'warning', found, advice: 'hearth up starts it again' }
  }
  if (ops_url === undefined) return { check: name, state: 'good', found: `running, process ${pid}` }
  try {
    const { ready, reasons } = readiness.parse(await askJson(clock, `${ops_url}/readyz`))
    if (ready) return { check: name, state: 'good', found: `ready, process ${pid}` }
    const found = `not ready, process ${pid}: ${reasons.join('; ')}`
    // What cannot be reached is nobody's to give up.
    const bucket = reasons.join(' ').match(/bucket (\d+) is stopped: (?!it cannot be reached)/)?.[1]
    if (bucket === undefined) return { check: name, state: 'bad', found }
    const advice = `docs/operations.md, HearthBucketStopped; what would be given up: hearth lake accept-loss ${bucket} --by NAME --dry-run`
    return { check: name, state: 'bad', found, advice }
  } catch (error) {
    const found = `process ${pid}: ${messageOf(error)}`
    if (!(error instanceof Problem) || error.cause !== 'hung') return { check: name, state: 'bad', found }
    const advice = `end it with \`kill -9 ${pid}\`, hearth up starts it again; nothing acknowledged is lost`
    return { check: name, state: 'bad', found, advice }
  }
}

async function hubs(context: DoctorContext): Promise<Finding> {
  try {
    return await absentHubs(context)
  } catch (error) {
    return { check: 'hubs', state: 'warning', found: `not known: ${messageOf(error)}` }
  }
}

const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) })

function isLocked(home: string, name: string): boolean {
  try {
    lockState(home, name, 'held').release()
    return false
  } catch (error) {
    if (isProblem(error, 'conflict')) return true
    throw error
  }
}

type Running = {
  readonly name: string
  readonly pid: number
  readonly alive: boolean
  readonly ops_url?: string
  /** That it listens on. */
  readonly ports: readonly number[]
}

const facts = z.looseObject({ pid: z.number(), ops_url: z.string().optional() })

/** The processes that wrote themselves down in `run/`. */
export function runningProcesses(home: string): Running[] {
  const folder = join(home, 'run')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((file) => {
      const { pid, ops_url, ...others } = facts.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')))
      const urls = [ops_url, ...Object.values(others)].flatMap((one) =>
        typeof one === 'string' ? [URL.parse(one)] : [],
      )
      const ports = urls.map((url) => Number(url?.port))
      const name = file.slice(0, -'.json'.length)
      return { name, pid, alive: isAlive(pid), ports, ...(ops_url === undefined ? {} : { ops_url }) }
    })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function ports({ config }: Pick<CliContext, 'config'>, running: readonly Running[]): Promise<Finding[]> {
  const findings: Finding[] = []
  const own = new Set(running.flatMap((one) => (one.alive ? one.ports : [])))
  for (const { key, host, port } of wantedPorts(config)) {
    if (own.has(port)) continue
    const found = `${host}:${port}`
    const advice = `end what holds it, or set ${variableOf(key)} to another port`
    findings.push(
      (await isFree(host, port))
        ? { check: key, state: 'good', found: `${found} is free` }
        : { check: key, state: 'bad', found: `${found} is taken`, advice },
    )
  }
  return findings
}

/** Can this address be listened on? */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
