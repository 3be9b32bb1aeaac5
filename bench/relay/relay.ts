import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { runChild, startChild } from '../child.ts'
import { type Figure, latencyFigures, overRounds, percentile } from '../figure.ts'
import { cpuOf_us } from '../machine.ts'
import { type BenchFleet, makeFleet, mosquittoVersion, type Server, startHearth, startMosquitto } from '../server.ts'
import { type AppDone, type AppTask, appDone, type HubsTask, type Tapped } from './parts.ts'

export const relay: Benchmark = {
  name: 'relay',
  description: 'app → relay → hub → relay → app on the real process, beside app → Mosquitto → hub and back',
  rounds: 5,
  run,
}

/** Few enough a hub that its rate (relay/limits.ts, HUB_RATE) is not what is measured. */
const HUBS = Array.from({ length: 50 }, (_, i) => `hub-${String(i).padStart(5, '0')}`)
const APP = 'bench-app'
const LOAD = { one_by_one: 1_000, per_second: 200, seconds: 10 }
const COMMANDS = LOAD.one_by_one + LOAD.per_second * LOAD.seconds

type Ran = AppDone & { readonly cpu_us: number }

async function run({ rounds, folder, profile, note }: BenchmarkOptions): Promise<Findings> {
  const enrolled = await makeFleet(join(folder, 'enrolled'), [...HUBS, APP])
  const ours: Ran[] = []
  const theirs: Ran[] = []
  for (let i = 1; i <= rounds; i++) {
    const home = join(folder, `round-${i}`)
    await cp(enrolled.home, home, { recursive: true })
    const fleet = { ...enrolled, home }
    const mine = await runRelay(fleet, profile)
    ours.push(mine)
    const peer = await runMosquitto(fleet)
    if (peer) theirs.push(peer)
    await rm(home, { recursive: true })
    note(`round ${i}: Hearth ${medians(mine)}${peer ? `; Mosquitto ${medians(peer)}` : ''}`)
  }
  const version = await mosquittoVersion()
  return {
    workloads: [],
    rounds: ours.map((mine, i) => ({ hearth: summary(mine), ...(theirs[i] ? { mosquitto: summary(theirs[i]) } : {}) })),
    figures: [...figuresOf('Hearth', ours), ...figuresOf('Mosquitto', theirs), ...ratios(ours, theirs)],
    notes: [
      `${HUBS.length} hubs in one process, each answering at once, an app in another, on the same cores as the server; ${LOAD.one_by_one} commands one after the other, then ${LOAD.per_second} a second for ${LOAD.seconds} s. To the hub it is MQTT over mutual TLS 1.3 with TCP_NODELAY on both sides.`,
      version === undefined
        ? 'Mosquitto is not installed: nothing to compare with.'
        : `Mosquitto ${version} carries the same JSON from app to hub and back at QoS 1 and does nothing else. Hearth's app speaks HTTP without TLS; the relay checks its token, scope, rate and body, writes \`issued\` to its spool before the hub hears of it and the outcome before the app does, and hears \`received\` and \`executed\` from the hub.`,
    ],
    faults: [...ours, ...theirs].flatMap(({ one_by_one, paced }) => {
      const failed = [...one_by_one, ...paced].filter(({ done }) => !done).length
      return failed > 0 ? [`${failed} of ${COMMANDS} commands were not done`] : []
    }),
  }
}

function medians({ one_by_one, paced }: Ran): string {
  const middle = (some: readonly Tapped[]) =>
    percentile(
      some.map(({ ms }) => ms),
      0.5,
    ).toFixed(2)
  return `${middle(one_by_one)} ms one by one, ${middle(paced)} ms at ${LOAD.per_second} a second`
}

/** What is kept of a round: not each of its thousands of values. */
function summary({ one_by_one, paced, cpu_us }: Ran) {
  const of = (values: readonly number[]) =>
    Object.fromEntries(latencyFigures('ms', values).map((one) => [one.name, one.value]))
  const parts = (some: readonly Tapped[]) => ({
    round_trip: of(some.map(({ ms }) => ms)),
    issued_to_sent: of(some.flatMap(({ sent_ms }) => sent_ms ?? [])),
  })
  return { one_by_one: parts(one_by_one), paced: parts(paced), cpu_us_per_command: cpu_us / COMMANDS }
}

function figuresOf(name: string, rounds: readonly Ran[]): Figure[] {
  if (rounds.length === 0) return []
  const at = `${LOAD.per_second}/s`
  const sent = (some: readonly Tapped[]) => some.flatMap(({ sent_ms }) => sent_ms ?? [])
  const one = rounds.flatMap(({ one_by_one }) => one_by_one)
  const paced = rounds.flatMap((round) => round.paced)
  return [
    ...latencyFigures(
      `${name}, one by one: round trip`,
      one.map(({ ms }) => ms),
    ),
    ...(sent(one).length === 0 ? [] : latencyFigures(`${name}, one by one: issued → sent`, sent(one))),
    ...latencyFigures(
      `${name}, ${at}: round trip`,
      paced.map(({ ms }) => ms),
    ),
    ...(sent(paced).length === 0 ? [] : latencyFigures(`${name}, ${at}: issued → sent`, sent(paced))),
    overRounds(
      `${name} CPU`,
      'µs/command',
      rounds.map(({ cpu_us }) => cpu_us / COMMANDS),
    ),
  ]
}

/** Round by round: how many times Mosquitto's round trip ours is. */
function ratios(ours: readonly Ran[], theirs: readonly Ran[]): Figure[] {
  const times = (pick: (ran: Ran) => readonly Tapped[], share: number) =>
    ours.flatMap((mine, i) => {
      const peer = theirs[i]
      const of = (ran: Ran) =>
        percentile(
          pick(ran).map(({ ms }) => ms),
          share,
        )
      return peer ? [of(mine) / of(peer)] : []
    })
  if (theirs.length === 0) return []
  return [
    overRounds(
      'Hearth ÷ Mosquitto, one by one, p50',
      '×',
      times(({ one_by_one }) => one_by_one, 0.5),
    ),
    overRounds(
      'Hearth ÷ Mosquitto, one by one, p99',
      '×',
      times(({ one_by_one }) => one_by_one, 0.99),
    ),
    overRounds(
      `Hearth ÷ Mosquitto, ${LOAD.per_second}/s, p50`,
      '×',
      times(({ paced }) => paced, 0.5),
    ),
    overRounds(
      `Hearth ÷ Mosquitto, ${LOAD.per_second}/s, p99`,
      '×',
      times(({ paced }) => paced, 0.99),
    ),
  ]
}

async function runRelay(fleet: BenchFleet, profile: string | undefined): Promise<Ran> {
  const server = await startHearth(fleet, ['relay'], { profile })
  try {
    const port = Number(new URL(String(server.facts['hub_url'])).port)
    const to = { url: String(server.facts['app_url']), token: fleet.token }
    return await runBetween(server, { ...hubsOf(fleet), port, tells_received: true }, to)
  } finally {
    await server.stop()
  }
}

async function runMosquitto(fleet: BenchFleet): Promise<Ran | undefined> {
  const server = await startMosquitto(fleet)
  const tls = fleet.hubs.get(APP)
  if (!server || !tls) return undefined
  try {
    const { port } = server
    return await runBetween(server, { ...hubsOf(fleet), port, tells_received: false }, { port, tls })
  } finally {
    await server.stop()
  }
}

function hubsOf({ hubs }: BenchFleet): Pick<HubsTask, 'hubs'> {
  return { hubs: Object.fromEntries([...hubs].filter(([hub]) => hub !== APP)) }
}

async function runBetween(server: Server, hubs: HubsTask, to: AppTask['to']): Promise<Ran> {
  const child = startChild(join(import.meta.dirname, 'hubs-child.ts'), hubs)
  try {
    if ((await child.line()) !== 'ready') throw new Error('the hubs did not get ready')
    const before_us = cpuOf_us(server.pid)
    const task: AppTask = { to, hubs: HUBS, ...LOAD }
    const done = await runChild(join(import.meta.dirname, 'app-child.ts'), task, appDone)
    return { ...done, cpu_us: cpuOf_us(server.pid) - before_us }
  } finally {
    await child.stop()
  }
}
