import type { Random } from '../contract/clock.ts'
import { commandId } from '../contract/command.ts'
import type { Ranges } from '../ingest/ranges.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { loadRanges, rangesKey } from '../ingest/ranges-store.ts'
import { positionTxn } from '../ingest/writer.ts'
import { createLake, openLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import { APP, App, type Tap } from './app.ts'
import type { Acknowledged, CommandEvidence, Evidence, Execution } from './evidence.ts'
import { HubNode } from './hub-node.ts'
import { IngestNode } from './ingest-node.ts'
import { Operator } from './operator.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import type { Plant } from './plant.ts'
import { RelayNode } from './relay-node.ts'
import { decodeRows, type Row } from './row-encoder.ts'
import { Work } from './work.ts'
import type { World } from './world.ts'

const FLEET = 'simulated'
const LAYOUT = { epoch: 1, buckets: 2 }
const HUBS = ['hub-a', 'hub-b', 'hub-c']
const TROUBLE_MS = 90_000
const REST_MAX_MS = 3_600_000

/** The whole system in one simulated world: trouble for a while, then calm until it has come to rest. */
export async function runSystem(world: World, plant: Plant | undefined): Promise<Evidence> {
  const outside = world.live('outside', () => undefined)
  const store = openMemoryStore({ clock: outside.clock })
  const environment = { store, clock: outside.clock, random: outside.random, checkpoints: plainCheckpoints }
  await createLake({ ...environment, fleet: FLEET, region: 'nowhere', buckets: LAYOUT.buckets })

  const acknowledged: Acknowledged[] = []
  const work = new Work(world)
  const ingest = new IngestNode({ world, layout: LAYOUT, store, plant })
  const note = (batch: Acknowledged) => void acknowledged.push(batch)
  const relay = new RelayNode({ world, fleet: FLEET, layout: LAYOUT, ingest, plant, acknowledged: note })
  const hubs = HUBS.map(
    (hub) =>
      new HubNode({
        world,
        hub,
        ingest,
        relay,
        plant,
        acknowledged: note,
        work,
      }),
  )
  const app = new App(world, relay, HUBS)
  const table = await (await openLake(environment)).table('events')
  const lake = { store, table, files: new Map<string, readonly Row[]>() }
  const operator = new Operator(world, ingest, () => rowsAt(lake))
  ingest.start()
  relay.machine.start()
  for (const hub of hubs) hub.machine.start()
  app.start()
  operator.start()

  await world.scheduler.run(TROUBLE_MS)
  world.calm = true
  world.setClocks()
  app.quiet = true
  operator.quiet = true
  for (const hub of hubs) hub.quiet = true
  const atRest = () => relay.atRest() && hubs.every((hub) => hub.atRest()) && ingest.atRest()
  const end_ms = world.scheduler.now_ms + REST_MAX_MS
  // What was still on its way may begin something anew, so rest must last.
  for (let quiet_s = 0; quiet_s < 60 && world.scheduler.now_ms < end_ms && world.bugs.length === 0; ) {
    await world.scheduler.run(world.scheduler.now_ms + 1_000)
    quiet_s = atRest() ? quiet_s + 1 : 0
  }
  if (!atRest()) {
    const who = [
      relay.atRest() ? '' : 'relay',
      ingest.atRest() ? '' : 'ingest',
      ...hubs.map((hub) => (hub.atRest() ? '' : hub.hub)),
    ]
    world.bugs.push(`not at rest after ${REST_MAX_MS / 60_000} simulated minutes: ${who.filter(Boolean).join(', ')}`)
  }

  const forgotten = ({ id, touched_ms }: Tap) =>
    [...touched_ms, relay.heard.get(id ?? '')?.last_ms ?? 0].some((at) =>
      relay.amnesia.some(([from, to]) => from <= at && at <= to),
    )
  return {
    ...(await readLake(lake, outside.random, ingest)),
    acknowledged,
    numbered: new Set([relay, ...hubs].flatMap(({ disk }) => [...disk.numbered])),
    taken: new Set([relay, ...hubs].flatMap(({ disk }) => [...disk.taken])),
    now_ms: world.wall_ms(),
    commands: app.taps.flatMap((tap): CommandEvidence[] => {
      if (tap.id === undefined) return []
      const outcome = relay.machine.up?.process.core.find(tap.id)?.outcome
      const heard = relay.heard.get(tap.id)
      const confirmed_ms = heard && heard.by === tap.issued?.by ? heard.first_ms - tap.issued.at_ms : undefined
      const { id, told, deadline_ms } = tap
      return [
        {
          id,
          told,
          deadline_ms,
          outcome,
          confirmed_ms,
          heard_executed: heard !== undefined,
          forgotten: forgotten(tap),
        },
      ]
    }),
    executions: new Map(
      app.taps.flatMap((tap): [string, Execution][] => {
        const done = work.done.get(tap.level)
        const id = commandId(FLEET, APP, tap.hub, tap.key, tap.day)
        return done && done.times > 0 ? [[id, { ...done, forgotten: forgotten(tap) }]] : []
      }),
    ),
  }
}

type OpenLake = {
  readonly store: ObjectStore
  readonly table: Table
  /** Files that were read before, by path. */
  readonly files: Map<string, readonly Row[]>
}

async function rowsAt({ store, table, files }: OpenLake, version?: number): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const path of (await table.snapshot({ version })).files.keys()) {
    const found = files.get(path) ?? decodeRows(await store.get(`events/${path}`))
    files.set(path, found)
    rows.push(...found)
  }
  return rows
}

async function readLake(
  lake: OpenLake,
  random: Random,
  ingest: IngestNode,
): Promise<Pick<Evidence, 'rows' | 'ranges' | 'snapshots' | 'positions' | 'log' | 'sourceKey'>> {
  const { store, table } = lake
  const snapshot = await table.snapshot()
  const buckets = Array.from({ length: LAYOUT.buckets }, (_, bucket) => bucket)
  const rangesAt = async (bucket: number, version: number): Promise<Ranges> =>
    (await loadRanges({ store, table, layout: LAYOUT }, [bucket], version)).get(bucket)?.ranges ?? new Map()
  const ranges = new Map<number, Ranges>()
  const snapshots: Evidence['snapshots'][number][] = []
  for (const bucket of buckets) {
    ranges.set(bucket, await rangesAt(bucket, snapshot.version))
    for await (const { path } of store.list(`_hearth/ranges/${LAYOUT.epoch}/${bucket}/`)) {
      const version = Number(path.slice(path.lastIndexOf('/') + 1))
      const rows = version > snapshot.version ? [] : await rowsAt(lake, version)
      const mine = rows.filter((row) => row.bucket === bucket)
      snapshots.push({ version, ranges: await rangesAt(bucket, version), rows: mine })
    }
  }
  const key = await rangesKey(store, random)
  const names = new Map<string, string>()
  return {
    rows: await rowsAt(lake),
    ranges,
    snapshots,
    log: ingest.log.everything,
    positions: buckets.map((bucket) => snapshot.txns.get(positionTxn(ingest.log.id, LAYOUT, bucket)) ?? 0),
    sourceKey: (source) => {
      const name = names.get(source) ?? sourceKey(key, source)
      names.set(source, name)
      return name
    },
  }
}
