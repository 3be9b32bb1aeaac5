import { commandId } from '../contract/command.ts'
import { createLake } from '../lake/lake.ts'
import { APP, App, type Tap } from './app.ts'
import { Archive } from './archive.ts'
import { ERASED, Eraser } from './eraser.ts'
import { type Acknowledged, type CommandEvidence, type Evidence, stagesOnRecord } from './evidence.ts'
import { executionsOf } from './executions.ts'
import { HubNode } from './hub-node.ts'
import { IngestNode } from './ingest-node.ts'
import { JobsNode } from './jobs-node.ts'
import { Operator } from './operator.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import type { Plant } from './plant.ts'
import { readLake, rowReader } from './read-lake.ts'
import { registrar } from './registrar.ts'
import { RelayNode } from './relay-node.ts'
import { stranger } from './stranger.ts'
import { TopicOwner } from './topic-owner.ts'
import { janitor, upkeep } from './upkeep.ts'
import { Witness } from './witness.ts'
import { Work } from './work.ts'
import type { World } from './world.ts'

const FLEET = 'simulated'
const LAYOUT = { epoch: 1, buckets: 2 }
const HUBS = ['hub-a', 'hub-b', 'hub-c']
const TROUBLE_MS = 90_000
const REST_MAX_MS = 900_000
/** So long nothing may happen before all has come to rest … */
const QUIET_S = 60
/** … nor may anybody have gone on longer ago than a writer waits before it looks again (LOG_CHECK_MS). */
const GONE_ON_MS = 40_000
/** Within so long each process goes on when nothing is in its way any more, whatever it still waited for. */
const STUCK_MAX_MS = 150_000

/** The whole system in one simulated world: trouble for a while, then calm until it has come to rest. */
export async function runSystem(world: World, plant: Plant | undefined): Promise<Evidence> {
  const outside = world.live('outside', () => undefined)
  const archive = new Archive(world)
  const { store } = archive
  const environment = { store, clock: world.clock, random: outside.random, checkpoints: plainCheckpoints }
  await createLake({ ...environment, fleet: FLEET, region: 'nowhere', buckets: LAYOUT.buckets })

  const acknowledged: Acknowledged[] = []
  const work = new Work(world)
  const witness = new Witness(world)
  const lakeside = { world, store, witness, plant }
  const ingest = new IngestNode(lakeside, LAYOUT)
  const note = (batch: Acknowledged) => void acknowledged.push(batch)
  const shipping = { ingest, acknowledged: note }
  const relay = new RelayNode({ world, fleet: FLEET, layout: LAYOUT, shipping, plant })
  const hubs = [...HUBS, ERASED].map(
    (hub) =>
      new HubNode({
        world,
        hub,
        shipping,
        relays: [relay],
        plant,
        work,
      }),
  )
  const app = new App(world, [relay], HUBS)
  const rowsAt = rowReader(archive)
  const subjects = { layout: LAYOUT, hubs: HUBS, erased: ERASED }
  const operator = new Operator(world, ingest, rowsAt, subjects)
  const owner = new TopicOwner(world, ingest.log, archive, LAYOUT)
  ingest.start()
  const eraser = new Eraser(lakeside, LAYOUT, ERASED)
  const isErased = () => eraser.done
  const senders = [stranger(world, ingest, note), registrar(world, ingest, subjects, isErased)]
  const besideIngest = { ...lakeside, world: world.beside() }
  const jobs = new JobsNode(besideIngest)
  const keepers = [...upkeep(lakeside, LAYOUT), janitor(besideIngest)]
  for (const machine of keepers) machine.start()
  eraser.start()
  jobs.start()
  owner.start()
  for (const sender of senders) sender.start()
  relay.machine.start()
  for (const hub of hubs) hub.machine.start()
  app.start()
  operator.start()

  await world.scheduler.run(TROUBLE_MS)
  world.calm = true
  world.setClocks()
  app.quiet = true
  app.tap()
  operator.quiet = true
  owner.quiet = true
  for (const sender of senders) sender.quiet = true
  for (const hub of hubs) hub.quiet = true
  // What is lost does not come to rest.
  const isLost = () => world.bugs.length + ingest.losses.length > 0
  const workers = [...ingest.writers, ...keepers, ...jobs.drivers, jobs.canceller, eraser.machine]
  const atRest = () =>
    [relay, ingest, eraser, jobs, ...senders, ...hubs].every((one) => one.atRest()) &&
    workers.every(({ isFrozen, stuck_ms }) => !isFrozen && stuck_ms <= GONE_ON_MS)
  const calm_ms = world.scheduler.now_ms
  const end_ms = calm_ms + REST_MAX_MS
  // What was still on its way may begin something anew, so rest must last.
  for (let quiet_s = 0; quiet_s < QUIET_S && world.scheduler.now_ms < end_ms && !isLost(); ) {
    await world.scheduler.run(world.scheduler.now_ms + 1_000)
    quiet_s = atRest() ? quiet_s + 1 : 0
    const calmFor_ms = world.scheduler.now_ms - calm_ms
    for (const { name, stuck_ms } of workers) {
      if (Math.min(stuck_ms, calmFor_ms) <= STUCK_MAX_MS) continue
      world.bugs.push(`${name} has tried in vain for ${STUCK_MAX_MS / 1000} s in which nothing was in its way`)
    }
  }
  if (!atRest() && !isLost()) {
    const who = [
      relay.atRest() ? '' : 'relay',
      ingest.atRest() ? '' : 'ingest',
      jobs.atRest() ? '' : 'jobs',
      ...hubs.map((hub) => (hub.atRest() ? '' : hub.hub)),
    ]
    world.bugs.push(`not at rest after ${REST_MAX_MS / 60_000} simulated minutes: ${who.filter(Boolean).join(', ')}`)
  }

  const isForgotten = (at_ms: number) => relay.amnesia.some(([from, to]) => from <= at_ms && at_ms <= to)
  const forgotten = ({ id, touched_ms }: Tap) =>
    [...touched_ms, relay.heard.get(id ?? '')?.last_ms ?? 0].some(isForgotten)
  const idOf = (tap: Tap) => commandId(FLEET, APP, tap.hub, tap.key, tap.day)
  const taps = new Map(app.taps.map((tap) => [idOf(tap), tap]))
  const lake = await readLake({
    archive,
    rowsAt,
    layout: LAYOUT,
    clock: world.clock,
    random: outside.random,
    ingest,
    bugs: world.bugs,
  })
  const stages = new Map(
    [...taps.keys()].map((id) => [id, [relay, ...hubs].flatMap(({ disk }) => disk.stages.get(id) ?? [])]),
  )
  return {
    ...lake,
    jobs: await jobs.evidence(),
    claims: witness.claims,
    erased: new Set([ERASED]),
    readings: witness.readings,
    bugs: world.bugs,
    acknowledged,
    numbered: new Set([relay, ...hubs].flatMap(({ disk }) => [...disk.numbered])),
    rolledBack: new Set(hubs.flatMap(({ disk }) => [...disk.rolledBack])),
    broughtBack: new Set(hubs.flatMap(({ disk }) => disk.restores.flatMap(({ events }) => [...events]))),
    taken: new Set([relay, ...hubs].flatMap(({ disk }) => [...disk.taken])),
    now_ms: world.wall_ms(),
    stages,
    onRecord: stagesOnRecord({ ...lake, stages }),
    sent: relay.sent.map((one) => {
      const issue = taps.get(one.command)?.issues.findLast(({ at_ms }) => at_ms <= one.at_ms)
      return { ...one, taken_in: issue?.epoch }
    }),
    connects: new Map(
      hubs.map(({ hub, connects }) => [hub, connects.map((one) => ({ ...one, forgotten: isForgotten(one.at_ms) }))]),
    ),
    boots: new Map(hubs.map(({ hub, boots }) => [hub, boots])),
    commands: app.taps.flatMap((tap): CommandEvidence[] => {
      if (tap.id === undefined) return []
      const outcome = relay.machine.up?.process.core.find(tap.id)?.outcome
      const heard = relay.heard.get(tap.id)
      const { id, deadline_ms } = tap
      const issue = tap.issues.at(-1)
      const confirmed_ms = heard && heard.by === issue?.by ? heard.first_ms - issue.at_ms : undefined
      return [
        {
          id,
          told: tap.told.map(({ outcome }) => outcome),
          tellers: [tap.told.map(({ outcome }) => outcome)],
          deadline_ms,
          outcome,
          confirmed_ms,
          offline_after_ms: offlineAfter_ms(tap, relay),
          heard_executed: heard !== undefined,
          forgotten: forgotten(tap),
        },
      ]
    }),
    executions: executionsOf({ taps, hubs, work, forgotten, repeated: () => false }),
  }
}

/** How long after the end of the session in which it was taken an app was told that the hub is offline. */
function offlineAfter_ms({ hub, issues, told }: Tap, relay: RelayNode): number | undefined {
  const issue = issues.at(-1)
  const first = told.find(({ by }) => by === issue?.by)
  if (!issue || first?.outcome !== 'offline') return undefined
  const session = relay.sessions.find((one) => one.hub === hub && one.epoch === issue.epoch)
  return first.at_ms - Math.max(issue.at_ms, session ? (session.ended_ms ?? first.at_ms) : 0)
}
