import { execFileSync } from 'node:child_process'
import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { keepFiles } from '../../cli/hub-files.ts'
import { hubFolder } from '../../cli/hub-identity.ts'
import { homeBroker } from '../../hub-agent/testing/mosquitto.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Child, startChild } from '../child.ts'
import { type Figure, median, overRounds } from '../figure.ts'
import { memoryOf_mib } from '../machine.ts'
import { HEARTH, makeFleet, pause, startHearth } from '../server.ts'
import type { HomeTask } from './parts.ts'
import { cpuOf_ns, type Memory, memoryByKind, memoryOf, writtenBy } from './process.ts'

export const agent: Benchmark = {
  name: 'agent',
  description: 'memory, CPU and disk writes of the agent on a hub, with 20 devices behind zigbee2mqtt',
  rounds: 1,
  run,
}

const HUB = 'bench-hub'
const WINDOW_MINUTES = 3
/** The home speaks for so long before the window begins: what a start costs is over, and V8 has tidied up. */
const SETTLE_MS = 30_000
const SAMPLE_MS = 1_000
/** 80 MB. */
const RSS_MOST_MIB = 80e6 / 2 ** 20

type Round = {
  readonly seconds: number
  readonly messages: number
  readonly memory: Memory
  readonly peak_rss_mib: number
  readonly by_kind_mib: Readonly<Record<string, number>>
  readonly heap_mib: { readonly used: number; readonly held: number; readonly outside: number }
  readonly cpu_share: number
  readonly written_bytes: number
  readonly readings: number
}

async function run({
  rounds,
  folder,
  seed,
  profile,
  minutes = WINDOW_MINUTES,
  note,
}: BenchmarkOptions): Promise<Findings> {
  const program = packed(join(folder, 'package'))
  const all: Round[] = []
  for (let i = 1; i <= rounds; i++) {
    const round = await measure(join(folder, `round-${i}`), { seed: seed + i - 1, minutes, profile, program })
    note(`round ${i}: ${told(round)}`)
    all.push(round)
  }
  const over = (name: string, unit: string, pick: (round: Round) => number, target?: Figure['target']) =>
    overRounds(name, unit, all.map(pick), target)
  const kinds = Object.keys(all[0]?.by_kind_mib ?? {})
  return {
    workloads: [],
    rounds: all,
    figures: [
      over('memory (RSS)', 'MiB', ({ memory }) => memory.rss, { most: RSS_MOST_MIB }),
      over('memory (PSS)', 'MiB', ({ memory }) => memory.pss),
      over('memory of its own', 'MiB', ({ memory }) => memory.own),
      over('most memory since its start (RSS)', 'MiB', ({ peak_rss_mib }) => peak_rss_mib),
      ...kinds.map((kind) => over(`  of RSS: ${kind}`, 'MiB', ({ by_kind_mib }) => by_kind_mib[kind] ?? 0)),
      over('  heap of V8, Prometheus and HTTP loaded: used', 'MiB', ({ heap_mib }) => heap_mib.used),
      over('  the same: held', 'MiB', ({ heap_mib }) => heap_mib.held),
      over('  buffers outside the heap', 'MiB', ({ heap_mib }) => heap_mib.outside),
      over('CPU', '% of a core', ({ cpu_share }) => cpu_share * 100, { most: 1 }),
      over('disk writes', 'MiB/h', ({ written_bytes, seconds }) => (written_bytes / 2 ** 20 / seconds) * 3600),
      over('messages of its devices', '/h', ({ messages, seconds }) => (messages / seconds) * 3600),
    ],
    notes: [
      `hearth hub with a relay and an ingest on the same machine, Mosquitto as the home's broker and 20 devices in the form that zigbee2mqtt documents (bench/agent/home-child.ts has their pace); ${minutes} minutes after ${SETTLE_MS / 1000} s, sampled each second. Memory is the median of the window.`,
      'An hour of disk writes is that of the window times its share of an hour: pages that the process made dirty, of its journal and outbox. What the disk itself writes for it is not seen from here.',
    ],
    faults: all.flatMap(({ messages, readings }, at) =>
      readings >= messages ? [] : [`round ${at + 1}: ${readings} readings in the table of ${messages} messages`],
    ),
  }
}

function told({ memory, cpu_share, written_bytes, seconds, messages }: Round): string {
  const [rss, pss] = [memory.rss, memory.pss].map((mib) => mib.toFixed(1))
  return `RSS ${rss} MiB, PSS ${pss}; ${(cpu_share * 100).toFixed(2)} % of a core; ${Math.round(written_bytes / 1024)} KiB written in ${seconds.toFixed(0)} s, ${messages} messages`
}

/** Makes the package, which is what a hub has; returns its `hearth`. */
function packed(folder: string): string {
  const checkout = join(import.meta.dirname, '../..')
  execFileSync(process.execPath, ['infra/pack.ts', join(folder, 'dist')], { cwd: checkout, stdio: 'ignore' })
  for (const path of ['package.json', 'cli/hearth.js']) cpSync(join(checkout, path), join(folder, path))
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'cli/hearth.js')
}

type Task = {
  readonly seed: number
  readonly minutes: number
  readonly profile: string | undefined
  readonly program: string
}

async function measure(home: string, { seed, minutes, profile, program }: Task): Promise<Round> {
  const fleet = await makeFleet(home, [HUB])
  const tls = fleet.hubs.get(HUB)
  if (!tls) throw new Error('the hub was not enrolled')
  keepFiles(hubFolder({ home }, HUB), tls)
  await using cleanup = new AsyncDisposableStack()
  const settings = { HEARTH_INGEST_FRESHNESS_MS: '1000' }
  const start = async (words: readonly string[], more: Omit<Parameters<typeof startHearth>[2], 'settings'>) => {
    const server = await startHearth(fleet, words, { ...more, settings })
    cleanup.defer(() => server.stop())
    return server
  }
  const relay = await start(['relay'], { profile: undefined })
  const ingest = await start(['ingest'], { profile: undefined })
  const broker = await homeBroker()
  cleanup.defer(() => broker.stop())
  const task: HomeTask = { port: broker.port, seed, pace: 1 }
  const devices = startChild(join(import.meta.dirname, 'home-child.ts'), task)
  cleanup.defer(() => devices.stop())
  if ((await devices.line()) !== 'ready') throw new Error('the home did not get ready')
  const words = [
    ...['hub', '--id', HUB, '--zigbee2mqtt', broker.url.href],
    ...['--relay', `mqtts://127.0.0.1:${portOf(relay.facts['hub_url'])}`],
    ...['--gateway', `mqtts://127.0.0.1:${portOf(ingest.facts['mqtt'])}`],
  ]
  const as = { name: `hub-${HUB}`, settings, program }
  // Once before: the first start of a version compiles what later ones find compiled.
  await (await startHearth(fleet, words, { ...as, profile: undefined })).stop()
  const hub = await startHearth(fleet, words, { ...as, profile })
  let isOver = false
  cleanup.defer(async () => {
    if (!isOver) await hub.stop()
  })
  await pause(SETTLE_MS)
  const window = await watch(hub.pid, minutes * 60_000, devices)
  const by_kind_mib = memoryByKind(hub.pid)
  // Last: whoever asks makes it load what answers.
  const heap_mib = await heapOf(String(hub.facts['ops_url']))
  // It sends what it has before it ends.
  isOver = true
  await hub.stop()
  await pause(SAMPLE_MS * 3)
  const select = `select count(*) from events where kind = 'reading' and hub_id = '${HUB}'`
  const csv = execFileSync(process.execPath, [HEARTH, 'sql', '--csv', select], {
    ...{ encoding: 'utf8', cwd: home, env: { ...process.env, HEARTH_HOME: home } },
  })
  return { ...window, heap_mib, by_kind_mib, readings: Number(csv.split('\r\n')[1]) }
}

/** The heap of V8, as the process tells it itself. */
async function heapOf(ops_url: string): Promise<Round['heap_mib']> {
  const text = await (await fetch(`${ops_url}/metrics`)).text()
  const field = (name: string) => Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]) / 2 ** 20
  return {
    used: field('nodejs_heap_size_used_bytes'),
    held: field('nodejs_heap_size_total_bytes'),
    outside: field('nodejs_external_memory_bytes'),
  }
}

const portOf = (url: unknown) => new URL(String(url)).port

async function watch(pid: number, length_ms: number, devices: Child) {
  const messages = async () => {
    devices.write('how many')
    return Number(await devices.line())
  }
  const samples: Memory[] = []
  const before = {
    at_ms: performance.now(),
    cpu_ns: cpuOf_ns(pid),
    written: writtenBy(pid),
    messages: await messages(),
  }
  while (performance.now() - before.at_ms < length_ms) {
    samples.push(memoryOf(pid))
    await pause(SAMPLE_MS)
  }
  const took_ms = performance.now() - before.at_ms
  const of = (pick: (memory: Memory) => number) => median(samples.map(pick))
  return {
    seconds: took_ms / 1000,
    messages: (await messages()) - before.messages,
    memory: { rss: of(({ rss }) => rss), pss: of(({ pss }) => pss), own: of(({ own }) => own) },
    peak_rss_mib: memoryOf_mib(pid).peak,
    cpu_share: (cpuOf_ns(pid) - before.cpu_ns) / 1e6 / took_ms,
    written_bytes: writtenBy(pid) - before.written,
  }
}
