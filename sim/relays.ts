import { commandId, OUTCOMES } from '../contract/command.ts'
import { cluster } from '../relay/cluster.ts'
import { CLAIM_ROUND_MS } from '../relay/limits.ts'
import { APP, App, type Tap, type Told } from './app.ts'
import type { CommandEvidence, RelaysEvidence } from './evidence.ts'
import { executionsOf } from './executions.ts'
import { HubNode } from './hub-node.ts'
import type { Plant } from './plant.ts'
import { type Beside, RelayNode } from './relay-node.ts'
import { SimDirectory } from './sim-directory.ts'
import { type Arrival, simPeers } from './sim-peers.ts'
import { Work } from './work.ts'
import type { World } from './world.ts'

const FLEET = 'simulated'
const LAYOUT = { epoch: 1, buckets: 2 }
const HUBS = ['hub-a', 'hub-b', 'hub-c']
const TROUBLE_MS = 60_000
const REST_MAX_MS = 300_000
/** People tap more often here: there is little else. */
const THINK_MS = 800
/** Every session is claimed once more within a round; so long nothing may be open. */
const QUIET_MS = CLAIM_ROUND_MS + 10_000

/** Two or three relays with their directory, hubs and apps, and no data plane: what is put on record stays on their disks. */
export async function runRelays(world: World, plant: Plant | undefined): Promise<RelaysEvidence> {
  const directory = new SimDirectory(world, plant)
  const arrivals: Arrival[] = []
  const broken = new Set<string>()
  const idOf = (tap: Pick<Tap, 'hub' | 'key' | 'day'>) => commandId(FLEET, APP, tap.hub, tap.key, tap.day)
  const relays: RelayNode[] = []
  const reached = (address: string) => {
    const up = relays.find(({ name }) => name === address)?.machine.up
    return up?.process.service && { life: up.life, service: up.process.service }
  }
  for (const name of ['relay-0', 'relay-1', 'relay-2'].slice(0, world.pick([2, 3]))) {
    const beside: NonNullable<ConstructorParameters<typeof RelayNode>[0]['beside']> = (life, core): Beside => {
      const own = directory.join(life, { relay: name, address: name })
      const link = simPeers({
        world,
        life,
        relay: reached,
        idOf,
        plant,
        broke: (id) => broken.add(id),
        arrived: (arrival) => arrivals.push(arrival),
      })
      const peers = plant?.peers?.(link) ?? link
      const { clock, random } = life
      const real = cluster({ relay: name, fleet: FLEET, core, directory: own, peers, clock, random })
      world.trace(name, 'joins')
      return { cluster: plant?.cluster?.(real, core) ?? real, directory: own, died: () => directory.died(own) }
    }
    relays.push(new RelayNode({ world, fleet: FLEET, layout: LAYOUT, plant, name, beside }))
  }
  const app = new App(world, relays, HUBS, THINK_MS)
  const over_ms = (level: number) => {
    const tap = app.taps[level]
    return tap ? Math.max(...tap.asked_ms) + tap.deadline_ms : 0
  }
  const work = new Work(world, over_ms)
  const hubs = HUBS.map((hub) => new HubNode({ world, hub, relays, plant, work }))
  for (const hub of hubs) hub.quiet = true
  for (const { machine } of [...relays, ...hubs]) machine.start()
  directory.start()
  app.start()

  await world.scheduler.run(TROUBLE_MS)
  world.calm = true
  world.setClocks()
  app.quiet = true
  for (const _ of relays) app.tap()
  const atRest = () => [...relays, ...hubs].every((one) => one.atRest() && !one.machine.isFrozen)
  const end_ms = world.scheduler.now_ms + REST_MAX_MS
  for (let quiet_ms = 0; quiet_ms < QUIET_MS && world.scheduler.now_ms < end_ms && world.bugs.length === 0; ) {
    await world.scheduler.run(world.scheduler.now_ms + 1_000)
    quiet_ms = atRest() ? quiet_ms + 1_000 : 0
  }
  if (!atRest()) {
    const who = [
      ...relays.map((one) => (one.atRest() ? '' : one.name)),
      ...hubs.map((one) => (one.atRest() ? '' : one.hub)),
    ]
    world.bugs.push(`not at rest after ${REST_MAX_MS / 60_000} simulated minutes: ${who.filter(Boolean).join(', ')}`)
  }

  const isForgotten = (at_ms: number) =>
    relays.some(({ amnesia }) => amnesia.some(([from, to]) => from <= at_ms && at_ms <= to))
  /** A hub forgets with its process that it said no to what it never began, and may be asked anew by another relay. */
  const forgotItsNo = ({ level, told }: Tap) => {
    const first_ms = Math.min(...(work.done.get(level)?.asked_ms ?? []))
    return told.some(({ outcome, at_ms }) => outcome === 'rejected' && at_ms < first_ms)
  }
  const forgotten = (tap: Tap) => {
    if (forgotItsNo(tap)) return true
    const heard = relays.map((one) => one.heard.get(idOf(tap))?.last_ms ?? 0)
    const elsewhere = arrivals.flatMap(({ command, at_ms }) => (command === idOf(tap) ? [at_ms] : []))
    return [...tap.touched_ms, ...heard, ...elsewhere].some(isForgotten)
  }
  const issuers = (id: string) =>
    relays.filter(({ disk }) => disk.stages.get(id)?.some(({ stage }) => stage === 'issued'))
  const sent = relays.flatMap((relay) => relay.sent.map((one) => ({ ...one, by: relay.name })))
  /**
   * `offline` and `rejected` are of the relay that says so, and of those that it asked: a try by way of another one, of which
   * it never heard, is another story (docs/decisions/112). Does what was told by this process speak of what was sent?
   */
  const isAnswerable = (id: string, { by, at_ms }: Told) => {
    const asked = arrivals.filter((one) => one.command === id && one.from === by && one.at_ms <= at_ms && !one.refused)
    const holders = new Set([by.name, ...asked.map(({ at }) => at)])
    return sent.some((one) => one.command === id && one.at_ms <= at_ms && holders.has(one.by))
  }
  const taps = new Map(app.taps.map((tap) => [idOf(tap), tap]))
  const commands = [...taps].flatMap(([id, tap]): CommandEvidence[] => {
    const known = relays.flatMap((relay) => relay.machine.up?.process.core.find(id) ?? [])
    if (known.length === 0 && tap.told.length === 0) return []
    const counted = tap.told.filter(
      (one) => (one.outcome !== 'offline' && one.outcome !== 'rejected') || isAnswerable(id, one),
    )
    const outcomes = known.map(({ outcome }) => outcome)
    const heard = relays.flatMap((relay) => relay.heard.get(id) ?? [])
    const first_ms = Math.min(...heard.map((one) => one.first_ms))
    return [
      {
        id,
        told: counted.map(({ outcome }) => outcome),
        tellers: [...Map.groupBy(counted, ({ by }) => by).values()].map((all) => all.map(({ outcome }) => outcome)),
        deadline_ms: tap.deadline_ms,
        outcome: OUTCOMES.find((one) => outcomes.includes(one)),
        // In time by the clock of who asked, where that was once: `late` is judged by what the way took, too.
        confirmed_ms:
          tap.asked_ms.length === 1 && heard.length > 0 && outcomes.includes('done')
            ? first_ms - (tap.asked_ms[0] ?? 0)
            : undefined,
        offline_after_ms: undefined,
        heard_executed: heard.length > 0,
        forgotten: forgotten(tap),
      },
    ]
  })
  const isForgottenTap = (id: string) => {
    const tap = taps.get(id)
    return tap !== undefined && forgotten(tap)
  }
  const record = (id: string) => new Set([...relays, ...hubs].flatMap(({ disk }) => disk.stagesOf(id)))
  return {
    bugs: world.bugs,
    // What a relay forgot it took anew.
    sent: sent.filter(({ command }) => !isForgottenTap(command)),
    commands,
    executions: executionsOf({ taps, hubs, work, forgotten, repeated: (id) => issuers(id).length > 1 }),
    onRecord: new Map([...taps.keys()].map((id) => [id, record(id)])),
    asks: new Map(
      [...taps].map(([id, tap]) => [
        id,
        { times: tap.asked_ms.length, issuers: issuers(id).map(({ name }) => name), broken: broken.has(id) },
      ]),
    ),
    claims: directory.claims,
    epochs: new Map(hubs.map(({ hub, tried }) => [hub, tried])),
    places: new Map(
      HUBS.map((hub) => [
        hub,
        { holders: relays.flatMap((one) => one.placeOf(hub) ?? []), place: directory.placeOf(hub) },
      ]),
    ),
  }
}
