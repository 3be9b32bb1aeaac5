import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { freePorts } from '../../infra/ports.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { startChild } from '../child.ts'
import { latencyFigures, overRounds, percentile } from '../figure.ts'
import { httpApp } from '../http-app.ts'
import { type ManyHubsTask, manyHubsSaid } from '../many-hubs.ts'
import { type BenchFleet, makeFleet, pause, startHearth } from '../server.ts'

export const storm: Benchmark = {
  name: 'storm',
  description: 'the relay is killed with 10,000 hubs connected: until all are back, and how commands fare meanwhile',
  rounds: 3,
  run,
}

const HUBS = 10_000
const KEEP_ALIVE_S = 30
const COMMANDS_PER_SECOND = 100
const CONNECTIONS = 16
/** Hubs that get the commands: in a process of their own, for that of the others is as busy as they are together. */
const HEARING = 200
/** Back, before the first command: fewer would get more each than a hub may. */
const HEARING_LEAST = 20
/** Beyond that a hub is lost for good: the bound of a round. */
const BACK_MOST_S = 180

type Round = {
  readonly ready_s: number
  readonly half_s: number
  readonly all_s: number
  readonly commands_ms: readonly number[]
  readonly failed: number
}

async function run({ rounds, events: count = HUBS, folder, profile, note }: BenchmarkOptions): Promise<Findings> {
  const names = Array.from({ length: count }, (_, i) => `hub-${String(i).padStart(5, '0')}`)
  note(`enrolling ${count} hubs`)
  const fleet = await makeFleet(join(folder, 'home'), names, 20)
  const [hubPort = 0, appPort = 0] = await freePorts(2)
  const settings = { HEARTH_RELAY_HUB_PORT: String(hubPort), HEARTH_RELAY_APP_PORT: String(appPort) }
  const start = async () => await startHearth(fleet, ['relay'], { profile, settings })
  let server = await start()
  const hubs = [...fleet.hubs]
  // Of the others two, since one process is a core, which a relay with one of its own would wait for.
  const half = Math.ceil((count + HEARING) / 2)
  const crowd = [hubs.slice(0, HEARING), hubs.slice(HEARING, half), hubs.slice(half)].map((some, i) => {
    const hubs_file = join(folder, `hubs-${i}.json`)
    writeFileSync(hubs_file, JSON.stringify(Object.fromEntries(some)))
    return startHubs({ port: hubPort, hubs_file, keep_alive_s: KEEP_ALIVE_S, hears: 'command', behind: i > 0 })
  })
  const all: Round[] = []
  try {
    while (crowd.reduce((sum, one) => sum + one.connected(), 0) < count) await pause(LOOK_MS)
    for (let i = 1; i <= rounds; i++) {
      // So that back-offs begin anew, as they do for a hub that had a stable session.
      await pause(STABLE_MS)
      const begun_ms = performance.now()
      process.kill(server.pid, 'SIGKILL')
      await server.stop()
      const starting = start()
      const round = await watchReturn(crowd, fleet, { count, begun_ms, appPort, starting })
      server = await starting
      all.push(round)
      note(
        `round ${i}: ready after ${round.ready_s.toFixed(1)} s, half back after ${round.half_s.toFixed(1)}, all after ${round.all_s.toFixed(1)} s; ${round.commands_ms.length} commands meanwhile, p99 ${percentile(round.commands_ms, 0.99).toFixed(1)} ms, ${round.failed} failed`,
      )
    }
  } finally {
    for (const one of crowd) await one.stop()
    await server.stop()
  }
  const commands = all.flatMap(({ commands_ms }) => commands_ms)
  return {
    workloads: [],
    rounds: all.map(({ commands_ms, ...round }) => ({ ...round, commands: commands_ms.length })),
    figures: [
      overRounds(
        'relay serves again',
        's',
        all.map(({ ready_s }) => ready_s),
      ),
      overRounds(
        'half of the hubs back',
        's',
        all.map(({ half_s }) => half_s),
      ),
      overRounds(
        'all hubs back',
        's',
        all.map(({ all_s }) => all_s),
        { most: 30 },
      ),
      ...latencyFigures('commands to hubs that are back', commands).map((figure) =>
        figure.name.endsWith('p99') ? { ...figure, target: { most: 50 } } : figure,
      ),
    ],
    notes: [
      `${count} hubs in three processes with the agent's back-off and TLS tickets, on the same cores as the relay, behind it (nice 10) but for those that get commands; times since kill -9. An app sends ${COMMANDS_PER_SECOND} commands a second to those that are back of the ${HEARING} of the first process, while all others still come.`,
    ],
    faults: all.flatMap(({ failed }, i) => (failed > 0 ? [`round ${i + 1}: ${failed} commands were not done`] : [])),
  }
}

/** What the agent takes for stable, and a little. */
const STABLE_MS = 62_000

const LOOK_MS = 50

type Crowd = {
  connected(): number
  /** Each hub as it comes back; until the next call. */
  onBack(listener: (hub: string) => void): void
  stop(): Promise<void>
}

function startHubs(task: ManyHubsTask): Crowd {
  const child = startChild(join(import.meta.dirname, '../many-hubs-child.ts'), task)
  let connected = 0
  let tell: (hub: string) => void = () => undefined
  const follow = async () => {
    for (;;) {
      const said = manyHubsSaid.parse(JSON.parse(await child.line()))
      connected = said.connected ?? connected
      if (said.back !== undefined) tell(said.back)
    }
  }
  // It ends with the child.
  follow().catch(() => undefined)
  return {
    connected: () => connected,
    onBack: (listener) => (tell = listener),
    stop: () => child.stop(),
  }
}

/** Follows the hubs coming back, with commands to those that are. */
async function watchReturn(
  [hearing, ...others]: readonly Crowd[],
  fleet: BenchFleet,
  of: { count: number; begun_ms: number; appPort: number; starting: Promise<unknown> },
): Promise<Round> {
  const since_s = () => (performance.now() - of.begun_ms) / 1000
  const back: string[] = []
  const known = new Set<string>()
  const tap = tapper(of.appPort, fleet.tokens)
  const taps: Promise<{ ms: number; done: boolean }>[] = []
  let ready_s = 0
  let half_s = 0
  void of.starting.then(() => (ready_s = since_s()))
  const came = (hub: string) => {
    known.add(hub)
    if (half_s === 0 && known.size >= of.count / 2) half_s = since_s()
  }
  for (const one of others) one.onBack(came)
  hearing?.onBack((hub) => {
    if (!known.has(hub)) back.push(hub)
    came(hub)
  })
  const tapping = setInterval(() => {
    const hub = back[Math.floor(Math.random() * back.length)]
    if (hub !== undefined && ready_s > 0 && back.length >= HEARING_LEAST) taps.push(tap(hub))
  }, 1000 / COMMANDS_PER_SECOND)
  try {
    while (known.size < of.count) {
      if (since_s() > BACK_MOST_S) throw new Error(`only ${known.size} of ${of.count} hubs came back in time`)
      await pause(LOOK_MS)
    }
  } finally {
    clearInterval(tapping)
  }
  const all_s = since_s()
  const tapped = await Promise.all(taps)
  const commands_ms = tapped.filter(({ done }) => done).map(({ ms }) => ms)
  return { ready_s, half_s, all_s, commands_ms, failed: tapped.length - commands_ms.length }
}

const outcome = z.object({ outcome: z.string() })

function tapper(port: number, tokens: readonly string[]): (hub: string) => Promise<{ ms: number; done: boolean }> {
  const send = httpApp(`http://127.0.0.1:${port}`, tokens, CONNECTIONS)
  return async (hub) => {
    const begun_ms = performance.now()
    const { status, text } = await send(hub)
    const ms = performance.now() - begun_ms
    return { ms, done: status === 200 && outcome.parse(JSON.parse(text)).outcome === 'done' }
  }
}
