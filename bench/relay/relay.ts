import { writeFileSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { NATS_VERSION } from '../../infra/nats/program.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { runChild, startChild } from '../child.ts'
import { type Figure, latencyFigures, overRounds, percentile } from '../figure.ts'
import { cpuOf_us } from '../machine.ts'
import {
  type BenchFleet,
  makeFleet,
  mosquittoVersion,
  type Server,
  startHearth,
  startMosquitto,
  startNats,
} from '../server.ts'
import { type AppDone, type AppTask, appDone, type HubsTask, type Load, type Tapped } from './parts.ts'

export const relay: Benchmark = {
  name: 'relay',
  description: 'app → relay → hub → relay → app on the real process, beside the same through Mosquitto and NATS',
  rounds: 3,
  run,
}

/** So many that the rate of one (relay/limits.ts, HUB_RATE) is not what is measured; so for apps. */
const HUBS = Array.from({ length: 1_000 }, (_, i) => `hub-${String(i).padStart(5, '0')}`)
const APPS = 20
const APP = 'bench-app'
const COMMANDS = 1_000
const PACED = { per_second: 500, seconds: 10 }
const HIGHEST = { rates: [500, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000], seconds: 3, p99_most_ms: 20 }

const PEERS = ['Hearth', 'Hearth by HTTP', 'Mosquitto', 'NATS'] as const
type Peer = (typeof PEERS)[number]

type Ran = {
  readonly one_by_one: readonly Tapped[]
  readonly paced: readonly Tapped[]
  readonly held_per_second: number
  /** Of the server, a command at the steady rate. */
  readonly cpu_us: number
}
type Round = Partial<Record<Peer, Ran>>

async function run({ rounds, folder, profile, note }: BenchmarkOptions): Promise<Findings> {
  const enrolled = await makeFleet(join(folder, 'enrolled'), [...HUBS, APP], APPS)
  const hubs_file = join(folder, 'hubs.json')
  writeFileSync(hubs_file, JSON.stringify(Object.fromEntries([...enrolled.hubs].filter(([hub]) => hub !== APP))))
  const all: Round[] = []
  for (let i = 1; i <= rounds; i++) {
    const home = join(folder, `round-${i}`)
    await cp(enrolled.home, home, { recursive: true })
    const fleet = { ...enrolled, home }
    const round: Round = {}
    for (const peer of PEERS) {
      const ran = await runPeer(peer, fleet, hubs_file, profile)
      if (!ran) continue
      round[peer] = ran
      note(`round ${i}: ${peer} ${told(ran)}`)
    }
    all.push(round)
    await rm(home, { recursive: true })
  }
  const version = await mosquittoVersion()
  const of = (peer: Peer) => all.flatMap((round) => round[peer] ?? [])
  return {
    workloads: [],
    rounds: all.map((round) => Object.fromEntries(Object.entries(round).map(([peer, ran]) => [peer, summary(ran)]))),
    figures: [
      ...PEERS.flatMap((peer) => figuresOf(peer, of(peer))),
      ...ratios(all, 'Mosquitto'),
      ...ratios(all, 'NATS'),
    ],
    notes: [
      `${HUBS.length} hubs in one process, each answering at once, an app in another, on the same cores as the server; ${COMMANDS} commands one after the other, then ${PACED.per_second} a second for ${PACED.seconds} s, then ${HIGHEST.rates.join(', ')} a second for ${HIGHEST.seconds} s each, after a second of the first that is not counted, until the 99th percentile passes ${HIGHEST.p99_most_ms} ms. Each is timed from when it was due. To hubs it is mutual TLS 1.3 with TCP_NODELAY on both sides.`,
      version === undefined
        ? 'Mosquitto is not installed: nothing to compare with.'
        : `Mosquitto ${version}, with an ACL file, carries the same JSON from app to hub and back at QoS 1 and does nothing else. NATS ${NATS_VERSION} does so as request and reply, at most once. Hearth's ${APPS} apps speak without TLS, over a WebSocket each, or by HTTP, a request a command; the relay checks its token, scope, rate and body, writes \`issued\` to its spool before the hub hears of it and the outcome before the app does, and hears \`received\` and \`executed\` from the hub.`,
    ],
    faults: all.flatMap((round) =>
      Object.entries(round).flatMap(([peer, { one_by_one, paced }]) => {
        const failed = [...one_by_one, ...paced].filter(({ done }) => !done).length
        return failed > 0 ? [`${peer}: ${failed} commands were not done`] : []
      }),
    ),
  }
}

const times = (some: readonly Tapped[]) => some.map(({ ms }) => ms)

function told({ one_by_one, paced, held_per_second, cpu_us }: Ran): string {
  const [one, many, worst] = [
    percentile(times(one_by_one), 0.5),
    percentile(times(paced), 0.5),
    percentile(times(paced), 0.99),
  ].map((ms) => ms.toFixed(2))
  return `${one} ms one by one, ${many} (99 %: ${worst}) ms at ${PACED.per_second} a second, ${cpu_us.toFixed(0)} µs of CPU a command, up to ${held_per_second} a second`
}

/** What is kept of a round: not each of its thousands of values. */
function summary({ one_by_one, paced, held_per_second, cpu_us }: Ran) {
  const of = (values: readonly number[]) =>
    Object.fromEntries(latencyFigures('ms', values).map((one) => [one.name, one.value]))
  const parts = (some: readonly Tapped[]) => ({
    round_trip: of(times(some)),
    issued_to_sent: of(some.flatMap(({ sent_ms }) => sent_ms ?? [])),
  })
  return { one_by_one: parts(one_by_one), paced: parts(paced), held_per_second, cpu_us_per_command: cpu_us }
}

function figuresOf(peer: Peer, rounds: readonly Ran[]): Figure[] {
  if (rounds.length === 0) return []
  const at = `${PACED.per_second}/s`
  const isOurs = peer === 'Hearth' || peer === 'Hearth by HTTP'
  const sent = (some: readonly Tapped[]) => some.flatMap(({ sent_ms }) => sent_ms ?? [])
  const one = rounds.flatMap(({ one_by_one }) => one_by_one)
  const paced = rounds.flatMap((round) => round.paced)
  const withTarget = (figure: Figure): Figure =>
    peer === 'Hearth' && figure.name === `${peer}, ${at}: round trip p99` ? { ...figure, target: { most: 3 } } : figure
  return [
    ...latencyFigures(`${peer}, one by one: round trip`, times(one)),
    ...(isOurs ? latencyFigures(`${peer}, one by one: issued → sent`, sent(one)) : []),
    ...latencyFigures(`${peer}, ${at}: round trip`, times(paced)).map(withTarget),
    ...(isOurs ? latencyFigures(`${peer}, ${at}: issued → sent`, sent(paced)) : []),
    overRounds(
      `${peer}: CPU at ${at}`,
      'µs/command',
      rounds.map(({ cpu_us }) => cpu_us),
      peer === 'Hearth' ? { most: 200 } : undefined,
    ),
    overRounds(
      `${peer}: highest rate, 99 % within ${HIGHEST.p99_most_ms} ms`,
      '/s',
      rounds.map(({ held_per_second }) => held_per_second),
      peer === 'Hearth' ? { least: 5_000 } : undefined,
    ),
  ]
}

/** Round by round: how many times the peer's round trip ours is. */
function ratios(rounds: readonly Round[], peer: Peer): Figure[] {
  const each = (pick: (ran: Ran) => readonly Tapped[], share: number) =>
    rounds.flatMap(({ Hearth: ours, [peer]: theirs }) =>
      ours && theirs ? [percentile(times(pick(ours)), share) / percentile(times(pick(theirs)), share)] : [],
    )
  if (each(({ paced }) => paced, 0.5).length === 0) return []
  const one = (ran: Ran) => ran.one_by_one
  const many = (ran: Ran) => ran.paced
  const at = `${PACED.per_second}/s`
  const target = peer === 'Mosquitto' ? { most: 2 } : undefined
  return [
    overRounds(`Hearth ÷ ${peer}, one by one, p50`, '×', each(one, 0.5), target),
    overRounds(`Hearth ÷ ${peer}, one by one, p99`, '×', each(one, 0.99)),
    overRounds(`Hearth ÷ ${peer}, ${at}, p50`, '×', each(many, 0.5)),
    overRounds(`Hearth ÷ ${peer}, ${at}, p99`, '×', each(many, 0.99)),
  ]
}

async function runPeer(
  peer: Peer,
  fleet: BenchFleet,
  hubs_file: string,
  profile: string | undefined,
): Promise<Ran | undefined> {
  if (peer === 'Hearth' || peer === 'Hearth by HTTP') {
    const server = await startHearth(fleet, ['relay'], { profile })
    const port = Number(new URL(String(server.facts['hub_url'])).port)
    const kind = peer === 'Hearth' ? 'relay' : 'http'
    const to: AppTask['to'] = { kind, url: String(server.facts['app_url']), tokens: [...fleet.tokens] }
    return await runBetween(server, { kind: 'relay', hubs_file, port }, to)
  }
  const tls = fleet.hubs.get(APP)
  if (!tls) return undefined
  const kind = peer === 'NATS' ? 'nats' : 'mqtt'
  const server = await (kind === 'nats' ? startNats(fleet) : startMosquitto(fleet, APP))
  if (!server) return undefined
  const { port } = server
  return await runBetween(server, { kind, hubs_file, port }, { kind, port, tls })
}

let boots = 0

async function runBetween(server: Server, hubs: Omit<HubsTask, 'boot'>, to: AppTask['to']): Promise<Ran> {
  const task: HubsTask = { ...hubs, boot: ++boots }
  const child = startChild(join(import.meta.dirname, 'hubs-child.ts'), task)
  const under = async (load: Load): Promise<AppDone> => {
    const asked: AppTask = { to, hubs: HUBS, load }
    return await runChild(join(import.meta.dirname, 'app-child.ts'), asked, appDone)
  }
  try {
    if ((await child.line()) !== 'ready') throw new Error('the hubs did not get ready')
    const { tapped: one_by_one } = await under({ one_by_one: COMMANDS })
    const before_us = cpuOf_us(server.pid)
    const { tapped: paced } = await under(PACED)
    const cpu_us = (cpuOf_us(server.pid) - before_us) / paced.length
    const { held_per_second = 0 } = await under(HIGHEST)
    return { one_by_one, paced, cpu_us, held_per_second }
  } finally {
    await child.stop()
    await server.stop()
  }
}
