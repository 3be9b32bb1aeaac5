import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../contract/clock.ts'
import { startTcpProxy } from '../../infra/tcp-proxy.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { runChild, startChild } from '../child.ts'
import { type Figure, formatValue, latencyFigures, percentile } from '../figure.ts'
import { type BenchFleet, makeFleet, startHearth } from '../server.ts'
import { type HomesTask, lights, type TapsTask, taps } from './parts.ts'
import { drawDelay_ms, HOME_LINK, type Link, oneWay, PROFILES, type Profile, RADIO, waysAlone_ms } from './profiles.ts'

export const budget: Benchmark = {
  name: 'budget',
  description: 'from tap to light through a phone network, a home’s line and a radio as published, and Hearth’s share',
  rounds: 1,
  run,
}

const HUBS = Array.from({ length: 50 }, (_, i) => `home-${String(i).padStart(2, '0')}`)
const APPS = 10
/** A lamp once a second. */
const PER_SECOND = HUBS.length
const TAPS = 1_000
const WAYS = ['WebSocket', 'HTTP'] as const
type Way = (typeof WAYS)[number]
/** The mission's number. */
const LIGHT_MOST_MS = 200
/** Where networks and radio leave less than this of it, the 99th percentile of so few taps says nothing of Hearth. */
const ROOM_LEAST_MS = 10
/** Draws of the ways without Hearth. */
const DRAWS = 200_000
const ALONE = 'Hearth alone'

type Ran = {
  readonly way: Way
  readonly profile: string
  readonly light_ms: readonly number[]
  readonly answer_ms: readonly number[]
  readonly faults: readonly string[]
}

async function run({ rounds, seed, events = TAPS, folder, profile, note }: BenchmarkOptions): Promise<Findings> {
  const fleet = await makeFleet(join(folder, 'home'), HUBS, APPS)
  const hubs_file = join(folder, 'hubs.json')
  writeFileSync(hubs_file, JSON.stringify(Object.fromEntries(fleet.hubs)))
  await using cleanup = new AsyncDisposableStack()
  const ingest = await startHearth(fleet, ['ingest'], { profile: undefined })
  cleanup.defer(() => ingest.stop())
  const settings = { HEARTH_INGEST_HTTPS_PORT: String(portOf(ingest.facts['https'])) }
  const relay = await startHearth(fleet, ['relay'], { profile, settings })
  cleanup.defer(() => relay.stop())
  const place: Place = {
    ...{ fleet, hubs_file, folder: join(folder, 'hubs'), taps: events },
    gateway_port: portOf(ingest.facts['mqtt']),
    hub_port: portOf(relay.facts['hub_url']),
    app_port: portOf(relay.facts['app_url']),
  }
  const all: Ran[] = []
  for (let round = 0; round < rounds; round++) {
    for (const through of [undefined, ...PROFILES]) {
      for (const ran of await runThrough(place, through, seed + round)) {
        all.push(ran)
        note(`round ${round + 1}: ${told(ran)}`)
      }
    }
  }
  const alone = new Map(PROFILES.map((one) => [one.name, waysAlone_ms(one, seededRandom(seed), DRAWS)]))
  return {
    workloads: [],
    rounds: all.map(({ way, profile: name, light_ms, answer_ms }) => ({
      ...{ way, profile: name, taps: light_ms.length },
      ...{ light_ms: summary(light_ms), answer_ms: summary(answer_ms) },
    })),
    figures: figuresOf(all, alone),
    notes: notesOf(all, alone, events),
    faults: all.flatMap(({ faults }) => faults),
  }
}

const portOf = (url: unknown) => Number(new URL(String(url)).port)

const summary = (values: readonly number[]) =>
  Object.fromEntries(latencyFigures('', values).map(({ name, value }) => [name.trim(), value]))

const told = ({ profile, way, light_ms, answer_ms }: Ran) =>
  `${profile}, ${way}: tap to light ${percentile(light_ms, 0.5).toFixed(1)} ms (99 %: ${percentile(light_ms, 0.99).toFixed(1)}), to answer ${percentile(answer_ms, 0.5).toFixed(1)} ms (${percentile(answer_ms, 0.99).toFixed(1)})`

type Place = {
  readonly fleet: BenchFleet
  readonly hubs_file: string
  readonly folder: string
  readonly gateway_port: number
  readonly hub_port: number
  readonly app_port: number
  readonly taps: number
}

/** All taps of a profile, both ways; with none, apps and hubs speak to the relay itself, and the radio takes no time. */
async function runThrough(place: Place, profile: Profile | undefined, seed: number): Promise<readonly Ran[]> {
  await using cleanup = new AsyncDisposableStack()
  /** The near end of a link is the phone, or the hub: what comes from the relay goes down. */
  const through = async (link: Link | undefined, port: number, of: number) => {
    if (!link) return port
    const random = seededRandom(of)
    const proxy = cleanup.use(await startTcpProxy({ port }))
    proxy.travel_ms = (answers) => drawDelay_ms(random, oneWay(link, answers ? 'down' : 'up'))
    return proxy.port
  }
  const app_port = await through(profile?.phone, place.app_port, seed * 10 + 1)
  const relay_port = await through(profile && HOME_LINK, place.hub_port, seed * 10 + 2)
  const homes: HomesTask = {
    ...{ relay_port, gateway_port: place.gateway_port, hubs_file: place.hubs_file, folder: place.folder },
    ...{ seed: seed * 10 + 3, ...(profile && { radio: RADIO }) },
  }
  const child = startChild(join(import.meta.dirname, 'homes-child.ts'), homes)
  cleanup.defer(() => child.stop())
  if ((await child.line()) !== 'ready') throw new Error('the hubs did not get ready')
  const all: Ran[] = []
  for (const way of WAYS) {
    const task: TapsTask = {
      ...{ way, url: `http://127.0.0.1:${app_port}`, tokens: [...place.fleet.tokens], hubs: HUBS },
      ...{ seed: seed * 10 + 4, per_second: PER_SECOND, taps: place.taps },
    }
    const tapped = await runChild(join(import.meta.dirname, 'taps-child.ts'), task, taps)
    child.write('lit')
    const lit = new Map(lights.parse(JSON.parse(await child.line())))
    const name = profile?.name ?? ALONE
    all.push({
      ...{ way, profile: name },
      light_ms: tapped.flatMap(({ level, at_ms }) => (lit.get(level) ?? Number.NaN) - at_ms).filter(Number.isFinite),
      answer_ms: tapped.map(({ at_ms, answered_ms }) => answered_ms - at_ms),
      faults: tapped.flatMap(({ level, done }) =>
        done && lit.has(level) ? [] : [`${name}, ${way}: tap ${level} was ${lit.has(level) ? 'not done' : 'not lit'}`],
      ),
    })
  }
  return all
}

/** Of all rounds of a profile and a way. */
function values(all: readonly Ran[], profile: string, way: Way, pick: (ran: Ran) => readonly number[]) {
  return all.filter((ran) => ran.profile === profile && ran.way === way).flatMap(pick)
}

function figuresOf(all: readonly Ran[], alone: ReadonlyMap<string, readonly number[]>): Figure[] {
  const light = (profile: string, way: Way) => values(all, profile, way, ({ light_ms }) => light_ms)
  const both = ['p50', 'p99'] as const
  const at = { p50: 0.5, p99: 0.99 }
  const ofWay = (way: Way) => {
    const ours = light(ALONE, way)
    const answers = (profile: string) => values(all, profile, way, ({ answer_ms }) => answer_ms)
    const line = (name: string, some: readonly number[]): Figure[] =>
      both.map((p) => ({ name: `${name} ${p}`, unit: 'ms', value: percentile(some, at[p]) }))
    return [
      ...line(`${way}, ${ALONE}: tap → light`, ours),
      ...line(`${way}, ${ALONE}: tap → answer`, answers(ALONE)),
      ...PROFILES.flatMap(({ name }) => {
        const whole = light(name, way)
        const hasRoom = percentile(alone.get(name) ?? [], 0.99) < LIGHT_MOST_MS - ROOM_LEAST_MS
        return [
          ...line(`${way}, ${name}: tap → light`, whole).map((figure) =>
            hasRoom && figure.name.endsWith('p99') ? { ...figure, target: { most: LIGHT_MOST_MS } } : figure,
          ),
          ...line(`${way}, ${name}: tap → answer`, answers(name)),
          ...both.map((p) => ({
            name: `${way}, ${name}: Hearth's share ${p} ÷ ${p}`,
            unit: '%',
            value: (100 * percentile(ours, at[p])) / percentile(whole, at[p]),
          })),
        ]
      }),
    ]
  }
  const without = PROFILES.flatMap(({ name }) =>
    both.map((p) => ({
      name: `${name}: without Hearth ${p}`,
      unit: 'ms',
      value: percentile(alone.get(name) ?? [], at[p]),
    })),
  )
  return [...WAYS.flatMap(ofWay), ...without]
}

function notesOf(all: readonly Ran[], alone: ReadonlyMap<string, readonly number[]>, count: number): string[] {
  const verdict = ({ name }: Profile) => {
    const network = percentile(alone.get(name) ?? [], 0.99)
    const worst = Math.max(
      ...WAYS.map((way) =>
        percentile(
          values(all, name, way, ({ light_ms }) => light_ms),
          0.99,
        ),
      ),
    )
    if (network >= LIGHT_MOST_MS) return `${name}: no, networks and radio alone take ${formatValue(network)} ms`
    if (network >= LIGHT_MOST_MS - ROOM_LEAST_MS)
      return `${name}: on the edge, networks and radio alone take ${formatValue(network)} ms`
    return worst < LIGHT_MOST_MS ? `${name}: yes` : `${name}: NO, though networks and radio alone would allow it`
  }
  const both = ({ median_ms, p99_ms }: { readonly median_ms: number; readonly p99_ms: number }) =>
    `median ${median_ms} ms, p99 ${p99_ms} ms`
  return [
    `${HUBS.length} hubs with the real agent (journal and outbox on disk, synced) in one process, ${APPS} apps in another, hearth relay and hearth ingest, all on the same cores; mutual TLS 1.3 to hubs. ${count} taps for each line after each lamp's first four, ${PER_SECOND} a second at random times (exponential), on connections that are open: an app that must first connect pays three round trips of its network more. Tap to light is measured from before the app sends to the lamp's taking its level, on the machine's one monotonic clock.`,
    'Networks: a proxy on loopback keeps each piece of data for a time drawn from the seed, in order (infra/tcp-proxy.ts); the lamp acts after a drawn time, and its confirmation takes another. Each is lognormal through its median and its 99th percentile. Hearth alone: the same without proxies and radio.',
    ...PROFILES.map(
      ({ name, phone }) =>
        `${name}, round trip: ${both(phone.round_trip)}, ${Math.round(phone.up_share * 100)} % of it up. ${phone.source}.`,
    ),
    `The home's line, round trip: ${both(HOME_LINK.round_trip)}. ${HOME_LINK.source}.`,
    `Radio, one way: ${both(RADIO)}. ${RADIO.source}.`,
    `Tap to light below ${LIGHT_MOST_MS} ms at p99: ${PROFILES.map(verdict).join('; ')}.`,
  ]
}
