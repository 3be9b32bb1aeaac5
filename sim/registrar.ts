import { bucketOf, serviceStream } from '../contract/bucket.ts'
import type { IngestNode } from './ingest-node.ts'
import type { Subjects } from './operator.ts'
import { formed, Sender } from './sender.ts'
import type { World } from './world.ts'

const IDENTITY = { source: 'registrar', role: 'service', generation: 1 } as const
const BOOT = '1-1-00000def'
const EVERY_MS = 1_000
const DAY_MS = 86_400_000
const DAYS_MAX = 4

/** What it tells of a hub, and what no service may say. */
const TOLD = ['connection', 'connection', 'registry', 'registry', 'timeless', 'command', 'late'] as const
const WRONG = ['elsewhere', 'nobody', 'no id', 'no kind'] as const
const WRONG_CHANCE = 0.2

/** A service that tells of hubs, by the bucket of each: where it made a mistake, and what is days old too. */
export function registrar(
  world: World,
  ingest: IngestNode,
  { layout, erased, ...others }: Subjects,
  /** From then on it is enrolled anew. */
  isErased: () => boolean,
): Sender {
  const hubs = [...others.hubs, erased]
  const next = new Map<number, number>()

  function lineOf(bucket: number, now_ms: number): string {
    const of = (mine: boolean) => hubs.filter((one) => (bucketOf(one, layout.buckets) === bucket) === mine)
    const hub = world.pick(of(true))
    const m = Math.round(now_ms - world.between(0, 1_000))
    if (world.random.float() < WRONG_CHANCE) {
      const connection = { m, kind: 'connection', stage: 'connected' }
      const wrong = {
        elsewhere: { ...connection, hub: world.pick(of(false)) },
        nobody: connection,
        'no id': { ...connection, hub: 'no id' },
        'no kind': { m, hub },
      }
      return JSON.stringify(wrong[world.pick(WRONG)])
    }
    const valid_from_ms = Math.round(world.wall_ms())
    const generation = hub === erased && isErased() ? 2 : 1
    const told = {
      connection: { m, kind: 'connection', hub, stage: 'connected' },
      registry: { m, kind: 'registry', hub, stage: 'enrolled', generation, valid_from_ms, home: 'home 1' },
      timeless: { m, kind: 'registry', hub, stage: 'changed', model: 'm1' },
      command: {
        m,
        kind: 'command',
        hub,
        command: `told-${m}`,
        stage: 'issued',
        issued: valid_from_ms - DAY_MS,
        ms: 0,
      },
      late: { m: m - Math.floor(world.between(1, DAYS_MAX)) * DAY_MS, kind: 'connection', hub, stage: 'lost' },
    }
    return JSON.stringify(told[world.pick(TOLD)])
  }

  return new Sender({
    ...{ identity: IDENTITY, world, ingest, every_ms: EVERY_MS },
    form(life) {
      const bucket = Math.floor(world.between(0, layout.buckets))
      const first = next.get(bucket) ?? 0
      const now_ms = life.clock.monotonic() + 1e9
      const lines = Array.from({ length: Math.floor(world.between(1, 5)) }, () => lineOf(bucket, now_ms))
      next.set(bucket, first + lines.length)
      const stream = serviceStream(layout.epoch, bucket)
      return formed({ boot: BOOT, stream, first, wall: life.clock.now(), now: now_ms }, lines)
    },
  })
}
