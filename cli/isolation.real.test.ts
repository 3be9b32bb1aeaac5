/** Commands beside whatever else of the system stands still: they are done all the while, and wait for none of it. */
import { expect, it } from 'vitest'
import { openRegistry } from './fleet.ts'
import { loadConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { commandOutcome } from './testing/command-outcome.ts'
import { until } from './testing/system.ts'
import { openWholeSystem } from './testing/whole-system.ts'

const START_MS = 60_000
const HEALED_MS = 60_000
const LIMIT_MS = 240_000
const HUBS = 2
/** To each hub, with each thing more that stands still. */
const COMMANDS = 10

it(
  'commands are done while Kafka, S3, Redis, Postgres, ingest and jobs are stopped one after the other, and while they are silent',
  async () => {
    await using whole = await openWholeSystem({
      HEARTH_INGEST_FRESHNESS_MS: '1000',
      HEARTH_JOBS_INTERVAL_MS: '2000',
    })
    const { system, relay, dependencies } = whole
    const hubs = Array.from({ length: HUBS }, (_, i) => `hub-0${i + 1}`)
    system.start(['hub', '--simulated', String(HUBS)])
    // One for each trouble, so that none was ever looked up before it is.
    const bearers = new Map<string, string>()
    const troubles = ['stopped', 'silent'].flatMap((how) => dependencies.map(({ name }) => `${name} ${how}`))
    const registry = await openRegistry({
      ...{ home: system.home, clock: machineClock, random: machineRandom },
      config: loadConfig(system.home, system.environment, system.home),
    })
    for (const trouble of ['calm', ...troubles, 'healed'])
      bearers.set(
        trouble,
        await registry.createToken({ app: trouble.toLowerCase().replaceAll(' ', '-'), scopes: ['commands'] }),
      )
    await registry.close()
    const commandsAreDone = async (trouble: string) => {
      const bearer = bearers.get(trouble) ?? ''
      const sent = hubs.flatMap((hub) => Array.from({ length: COMMANDS }, () => commandOutcome(system, bearer, hub)))
      expect([trouble, new Set(await Promise.all(sent))]).toEqual([trouble, new Set(['done'])])
    }
    const calm = bearers.get('calm') ?? ''
    for (const hub of hubs)
      await until(`${hub} hears commands`, START_MS, async () => (await commandOutcome(system, calm, hub)) === 'done')
    const last = bearers.get('healed') ?? ''
    await until(
      'the relay knows the newest token',
      START_MS,
      async () => (await commandOutcome(system, last, 'hub-01')) === 'done',
    )
    await commandsAreDone('calm')

    for (const { name, stop } of dependencies) {
      await stop()
      await commandsAreDone(`${name} stopped`)
    }
    await Promise.all(dependencies.map(({ start }) => start()))
    for (const { name, silence } of dependencies) {
      await silence()
      await commandsAreDone(`${name} silent`)
    }
    for (const { resume } of dependencies) await resume()
    await commandsAreDone('healed')
    const issued = (1 + troubles.length + 1) * HUBS * COMMANDS
    await until('the table tells of all of them', HEALED_MS, async () => {
      const rows = await system.csv("select count(*) from events where kind = 'command' and stage = 'done'")
      return Number(rows[0]?.[0]) >= issued
    })
    relay.signal('SIGTERM')
    expect(await relay.ended).toEqual({ code: 0, signal: null })
  },
  LIMIT_MS,
)
