/** Everything that a company runs, with trouble at random: nothing that was acknowledged may be lost or doubled. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { machineClock as clock } from '../../cli/machine.ts'
import { type LoadCounts, startLoad } from '../../cli/testing/load-process.ts'
import { openSystem, type System } from '../../cli/testing/system.ts'
import { sleep } from '../../contract/clock.ts'
import { startFaultProxy } from '../../infra/fault-proxy.ts'
import { startKafka } from '../../infra/kafka/kafka.ts'
import { startS3 } from '../../infra/s3/server.ts'
import { startTcpProxy, type TcpProxy } from '../../infra/tcp-proxy.ts'
import { seededRandom } from '../../sim/clock.ts'
import { type HearthProcess, hearthProcess } from './hearth-process.ts'
import { weathersOf } from './network.ts'
import { bringTrouble, type Target } from './trouble.ts'

export type ChaosOptions = {
  readonly minutes: number
  readonly seed: number
  /** Where the journal of acknowledgements goes. */
  readonly folder: string
  readonly hubs?: number
  /** With faulty networks before Kafka and S3. */
  readonly network?: boolean
  note(text: string): void
}

export type ChaosReport = {
  readonly ok: boolean
  readonly minutes: number
  readonly acknowledged: number
  readonly stored: number
  readonly dead: number
  readonly duplicates: number
  readonly lost: number
  readonly broken: number
  readonly repeats: number
  readonly unanswered: number
  /** By kind: how often. */
  readonly faults: Readonly<Record<string, number>>
  /** The longest time in which no batch of any hub was acknowledged. */
  readonly longest_gap_ms: number
  /** From the end of all trouble to the table holding everything. */
  readonly healed_ms: number
  /** Processes that ended though nobody killed them. */
  readonly crashes: readonly string[]
  readonly text: string
}

const GATEWAYS = 2
const WRITERS = 2
const HUBS = 12
const BUCKETS = 8
const HEAL_LIMIT_MS = 180_000
const LOOK_MS = 1_000
const UPKEEP = fileURLToPath(new URL('upkeep-child.ts', import.meta.url))
/** Writers sleep longer than this: they find their files vacuumed and their version cleaned away. */
const RETENTION_MS = 5_000
/** Of brokers: long enough that a slow machine alone takes no leader away. */
const SESSION_MS = 6_000

const verification = z.object({
  ok: z.boolean(),
  totals: z.object({
    ...{ stored: z.number(), dead: z.number(), lost: z.number(), broken: z.number() },
    ...{ duplicates: z.number(), in_log: z.number() },
  }),
  acknowledged: z.object({ journal: z.number(), found: z.number() }),
})

/** Runs it; `then` may look at the healed system before all of it is taken down. */
export async function runChaos(
  options: ChaosOptions,
  then?: (system: System, journal: string) => Promise<void>,
): Promise<ChaosReport> {
  const { minutes, seed, folder, note, hubs = HUBS } = options
  const random = seededRandom(seed)
  await using stack = new AsyncDisposableStack()
  const proxies: TcpProxy[] = []
  const advertise = async (port: number) => {
    const proxy = stack.use(await startTcpProxy({ port }))
    proxies.push(proxy)
    return proxy.port
  }
  await using kafka = await startKafka({ brokers: 3, session_ms: SESSION_MS, ...(options.network && { advertise }) })
  await using s3 = await startS3()
  const before = options.network ? stack.use(await startFaultProxy(s3)) : undefined
  note(`three brokers at ${kafka.bootstrap}, S3 at ${before?.endpoint ?? s3.endpoint}`)
  await using system = await openSystem({
    ...s3.environment,
    HEARTH_LAYOUT_BUCKETS: String(BUCKETS),
    HEARTH_LAKE_URL: `s3://${s3.bucket}/lake`,
    HEARTH_S3_ENDPOINT: before?.endpoint ?? s3.endpoint,
    HEARTH_S3_PATH_STYLE: 'true',
    HEARTH_KAFKA_BROKERS: kafka.bootstrap,
    HEARTH_INGEST_FRESHNESS_MS: '1000',
  })
  const ports = await Promise.all(Array.from({ length: GATEWAYS }, () => openSystem()))
  const gateways = ports.map(({ ports: { mqtt, https } }) => ({ mqtt, https }))
  await Promise.all(ports.map((one) => one[Symbol.asyncDispose]()))
  const upkeep = hearthProcess(system, {
    ...{ name: 'upkeep', kind: 'upkeep', script: UPKEEP },
    words: [join(folder, 'upkeep'), String(RETENTION_MS)],
  })
  const processes: readonly HearthProcess[] = [
    ...gateways.map(({ mqtt, https }, i) =>
      hearthProcess(system, {
        ...{ name: `gateway-${i}`, kind: 'gateway', words: ['ingest', 'gateway', '--name', `gateway-${i}`] },
        environment: { HEARTH_INGEST_MQTT_PORT: String(mqtt), HEARTH_INGEST_HTTPS_PORT: String(https) },
      }),
    ),
    ...Array.from({ length: WRITERS }, (_, i) =>
      hearthProcess(system, {
        ...{ name: `writer-${i}`, kind: 'writer', words: ['ingest', 'writer', '--name', `writer-${i}`] },
      }),
    ),
    hearthProcess(system, { name: 'jobs', kind: 'jobs', words: ['jobs', 'scheduler'] }),
    upkeep,
  ]
  for (const one of processes) {
    await one.start()
    await one.untilReady()
  }
  note(`${GATEWAYS} gateways, ${WRITERS} writers and the jobs are ready; ${hubs} hubs begin`)
  const load = await startLoad(system, { folder, hubs, seed, gateways, malformed: 0.001 })
  try {
    const over = new AbortController()
    const cancel = clock.timer(minutes * 60_000, () => over.abort())
    const targets: Target[] = [
      ...processes,
      ...kafka.brokers.map((broker, i) => ({
        ...{ name: `broker-${i}`, kind: 'broker', kill: () => broker.kill(), start: () => broker.restart() },
        ...{ pause: () => broker.pause(), resume: () => broker.resume() },
      })),
      {
        ...{ name: 's3', kind: 's3', kill: () => s3.kill(), start: () => s3.restart() },
        ...{ pause: () => s3.pause(), resume: () => s3.resume() },
      },
    ]
    const weathers = before ? weathersOf(before, proxies, random) : []
    const { counts } = await bringTrouble({ targets, weathers, clock, random, signal: over.signal, note })
    cancel()
    note('all trouble is mended; waiting until everything acknowledged is in the table')
    const healing_ms = clock.monotonic()
    const sent = await load.end()
    // A reader within the retention is never broken; these retentions are shorter than a proof takes.
    await upkeep.end()
    const found = await healed(system, load.journal)
    const healed_ms = clock.monotonic() - healing_ms
    for (const one of processes) await one.end()
    await then?.(system, load.journal)
    const crashes = processes.flatMap((one) => one.faults)
    const said = processes.map((one) => one.said()).join('\n')
    const work = { ...upkeepOf(upkeep.said()), ...lossesOf(said) }
    return reportOf({ minutes, counts, sent, found, healed_ms, crashes, work, journal: load.journal })
  } finally {
    load.kill()
  }
}

/** What the upkeep did in all of its lives. */
function upkeepOf(said: string): Readonly<Record<string, number>> {
  const lives = said.split('{"event":"ready"}').map((life) => life.match(/\{"event":"done".*\}/g)?.at(-1) ?? '{}')
  const done = lives.map((line) => upkeepDone.parse(JSON.parse(line)))
  const sum = (pick: (one: z.infer<typeof upkeepDone>) => number) => done.reduce((total, one) => total + pick(one), 0)
  return {
    'files joined': sum((one) => one.compact),
    'files vacuumed': sum((one) => one.vacuum),
    'log objects cleaned': sum((one) => one['clean-log']),
  }
}

const upkeepDone = z.object({
  compact: z.number().default(0),
  vacuum: z.number().default(0),
  'clean-log': z.number().default(0),
})

/** Attempts of writers that lost, and lost cleanly. */
function lossesOf(said: string): Readonly<Record<string, number>> {
  const count = (pattern: RegExp) => said.match(pattern)?.length ?? 0
  return { 'attempts fenced': count(/"event":"fenced"/g), 'attempts void': count(/"event":"retry"[^\n]*"delay_ms":0/g) }
}

/** Asks `hearth verify` until the log holds nothing that the table lacks. */
async function healed(system: System, journal: string): Promise<z.infer<typeof verification>> {
  const begun_ms = clock.monotonic()
  for (;;) {
    const { code, stdout, stderr } = await system.run(['verify', '--acks', journal, '--json'])
    if (!stdout.startsWith('{')) throw new Error(`hearth verify exited with ${code}: ${stderr}`)
    const found = verification.parse(JSON.parse(stdout))
    const late = clock.monotonic() - begun_ms > HEAL_LIMIT_MS
    if ((found.ok && found.totals.in_log === 0) || late) return { ...found, ok: found.ok && code === 0 && !late }
    await sleep(clock, LOOK_MS)
  }
}

function reportOf(facts: {
  readonly minutes: number
  readonly counts: Readonly<Record<string, number>>
  readonly sent: LoadCounts
  readonly found: z.infer<typeof verification>
  readonly healed_ms: number
  readonly crashes: readonly string[]
  /** What upkeep and writers did, by name. */
  readonly work: Readonly<Record<string, number>>
  readonly journal: string
}): ChaosReport {
  const { minutes, counts, sent, found, healed_ms, crashes, work } = facts
  const { stored, dead, duplicates, lost, broken } = found.totals
  const lines = readFileSync(facts.journal, 'utf8').trimEnd().split('\n').length
  const { journal: acknowledged } = found.acknowledged
  const complete = acknowledged === sent.events && lines === sent.batches && found.acknowledged.found === acknowledged
  const ok = found.ok && complete && crashes.length === 0 && sent.refused.length === 0
  const rows: readonly (readonly [string, string | number])[] = [
    ['acknowledged', `${acknowledged} events in ${sent.batches} batches`],
    ['stored', stored],
    ['dead', dead],
    ['lost', lost],
    ['broken promises', broken],
    ['duplicates removed', duplicates],
    ['sent again', `${sent.repeats} answered, ${sent.unanswered} unanswered`],
    ['longest unavailability', `${(sent.longest_gap_ms / 1000).toFixed(1)} s`],
    ['healed after', `${(healed_ms / 1000).toFixed(1)} s`],
    ...Object.entries(work),
    ...Object.entries(counts).sort(([a], [b]) => a.localeCompare(b)),
    ...crashes.map((crash) => ['ended by itself', crash] as const),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const text = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
  return {
    ...{ ok, minutes, acknowledged, stored, dead, duplicates, lost, broken, healed_ms, crashes, faults: counts },
    ...{ repeats: sent.repeats, unanswered: sent.unanswered, longest_gap_ms: sent.longest_gap_ms },
    text: `${text}\n${ok ? 'complete: nothing acknowledged is lost or doubled' : 'NOT complete'}`,
  }
}
