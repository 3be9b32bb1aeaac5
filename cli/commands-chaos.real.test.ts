/** Relay, hubs and ingest killed and stopped at random under commands whose app repeats what it got no answer to. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'vitest'
import { z } from 'zod'
import { seededRandom } from '../sim/clock.ts'
import { expectOneEnd } from './testing/commands-at-rest.ts'
import { runApps } from './testing/persistent-app.ts'
import { openSystem, type Running } from './testing/system.ts'

const START_MS = 60_000
const HEAL_MS = 120_000
/** How long trouble comes; a longer run is one variable away. */
const TROUBLE_MS = Number(process.env['CHAOS_SECONDS'] ?? 15) * 1_000
const HUBS = 6
const APPS = 8
const DEADLINE_MS = 1_500

test('each command has one end, the same in the tables, the journals of the hubs and what apps were told, and none was done twice', {
  timeout: TROUBLE_MS + 4 * HEAL_MS,
  retry: 0,
}, async () => {
  const random = seededRandom(Number(process.env['CHAOS_SEED'] ?? Date.now() % 1e6))
  const folder = mkdtempSync(join(tmpdir(), 'hearth-commands-chaos-'))
  await using system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  const words: Readonly<Record<string, readonly string[]>> = {
    relay: ['relay'],
    ingest: ['ingest'],
    hubs: ['hub', '--simulated', String(HUBS)],
  }
  const running = new Map<string, Running>()
  const ready: Readonly<Record<string, RegExp>> = {
    relay: /"event":"ready"/,
    ingest: /"event":"ready"/,
    hubs: /connected to the relay/,
  }
  const start = async (name: string) => {
    const one = system.start(words[name] ?? [])
    running.set(name, one)
    await one.untilSaid(ready[name] ?? /./, START_MS)
  }
  try {
    for (const name of Object.keys(words)) await start(name)
    const token = z
      .object({ token: z.string() })
      .parse(
        JSON.parse(await system.must(['registry', 'token', 'create', 'chaos', '--json', '--scope', 'commands'])),
      ).token
    const answers = join(folder, 'answers.ndjson')
    const counts: Record<string, number> = {}
    const url = () => `http://127.0.0.1:${system.ports.app}`
    const trouble = new AbortController()
    const people = { apps: APPS, hubs: HUBS, deadline_ms: DEADLINE_MS, random }
    const apps = runApps({ ...people, over: trouble.signal, url, token, answers, counts })
    setTimeout(() => trouble.abort(), TROUBLE_MS)
    while (!trouble.signal.aborted) {
      await after(500 + random.float() * 2_500)
      const name = ['relay', 'hubs', 'relay', 'hubs', 'ingest'][Math.floor(random.float() * 5)] ?? 'relay'
      if (random.float() < 0.6) {
        await running.get(name)?.killTree()
        await after(random.float() * 1_500)
        await start(name)
      } else {
        running.get(name)?.signal('SIGSTOP')
        await after(random.float() * 3_000)
        running.get(name)?.signal('SIGCONT')
      }
    }
    await apps
    // What is under way has ended after its deadline; what hubs have to tell comes by their telemetry.
    await after(2 * DEADLINE_MS)
    const about = () => ({ counts })
    await expectOneEnd(system, { answers, hubs: HUBS, relays: ['relay'], start, running, about })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
