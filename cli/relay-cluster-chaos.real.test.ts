/**
 * Relays, their directory, the registry, hubs and ingest killed and stopped at random, under commands whose app repeats at
 * any relay what it got no answer to.
 */
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'vitest'
import { z } from 'zod'
import { startPostgres } from '../infra/postgres/server.ts'
import { startRedis } from '../infra/redis/server.ts'
import { seededRandom } from '../sim/clock.ts'
import { expectOneEnd } from './testing/commands-at-rest.ts'
import { runApps } from './testing/persistent-app.ts'
import { registrySettings } from './testing/registry-settings.ts'
import { relaysOf } from './testing/relays.ts'
import { openSystem, type Running } from './testing/system.ts'

const START_MS = 60_000
const HEAL_MS = 120_000
/** How long trouble comes; a longer run is one variable away. */
const TROUBLE_MS = Number(process.env['CHAOS_SECONDS'] ?? 15) * 1_000
const HUBS = 6
const APPS = 8
const DEADLINE_MS = 1_500

test('each command has one end at whichever relay it came in, and none was done twice', {
  timeout: TROUBLE_MS + 4 * HEAL_MS,
  retry: 0,
}, async () => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1e6)
  const random = seededRandom(seed)
  const between = (least: number, most: number) => least + random.float() * (most - least)
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random.float() * all.length)] as T
  await using redis = await startRedis()
  await using postgres = await startPostgres()
  await using system = await openSystem({
    HEARTH_INGEST_FRESHNESS_MS: '500',
    ...registrySettings(postgres),
  })
  const { token } = z
    .object({ token: z.string() })
    .parse(JSON.parse(await system.must(['registry', 'token', 'create', 'chaos', '--json'])))
  const relays = await relaysOf(system, 3, { token, settings: { HEARTH_RELAY_DIRECTORY: redis.url } })
  const running = new Map<string, Running>()
  const start = async (name: string) => {
    if (relays.names.includes(name)) {
      running.set(name, await relays.start(name))
      return
    }
    const words = name === 'ingest' ? ['ingest'] : ['hub', '--simulated', String(HUBS), '--relay', relays.hub_urls]
    const one = system.start(words)
    running.set(name, one)
    await one.untilSaid(name === 'ingest' ? /"event":"ready"/ : /connected to the relay/, START_MS)
  }
  for (const name of ['ingest', ...relays.names, 'hubs']) await start(name)

  const answers = join(system.home, 'answers.ndjson')
  const counts: Record<string, number> = {}
  const trouble = new AbortController()
  const url = () => relays.app(oneOf(relays.names))
  const people = { apps: APPS, hubs: HUBS, deadline_ms: DEADLINE_MS, random }
  const apps = runApps({ ...people, over: trouble.signal, url, token, answers, counts })
  setTimeout(() => trouble.abort(), TROUBLE_MS)

  const killed = (name: string) => async () => {
    await running.get(name)?.killTree()
    await after(between(0, 1_500))
    await start(name)
  }
  const stopped = (name: string) => async () => {
    running.get(name)?.signal('SIGSTOP')
    await after(between(0, 3_000))
    running.get(name)?.signal('SIGCONT')
  }
  const processes = ['hubs', 'ingest', ...relays.names, ...relays.names]
  const troubles: readonly (() => Promise<void>)[] = [
    ...processes.flatMap((name) => [killed(name), stopped(name)]),
    async () => {
      await redis.kill()
      await after(between(0, 3_000))
      await redis.restart()
    },
    async () => {
      redis.pause()
      await after(between(0, 3_000))
      redis.resume()
    },
    () => redis.empty(),
    async () => {
      await postgres.kill()
      await after(between(0, 2_000))
      await postgres.restart()
    },
  ]
  while (!trouble.signal.aborted) {
    await after(between(300, 1_500))
    await oneOf(troubles)()
  }
  await apps
  // What is under way has ended after its deadline; what hubs have to tell comes by their telemetry.
  await after(2 * DEADLINE_MS)
  const about = () => ({ seed, counts })
  await expectOneEnd(system, { answers, hubs: HUBS, relays: relays.names, start, running, about })
})
