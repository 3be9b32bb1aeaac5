import type { IngestNode } from './ingest-node.ts'
import { formed, Sender } from './sender.ts'
import type { AcknowledgedListener } from './shipping.ts'
import type { World } from './world.ts'

const IDENTITY = { source: 'hub-x', role: 'hub', generation: 1 } as const
const BOOT = '1-1-00000abc'
const EVERY_MS = 3_000
const DAY_MS = 86_400_000
const DAYS_MAX = 6

/** What is wrong with a batch: its lines, its name, or nothing. A batch that is refused uses its numbers up. */
const FORMS = ['good', 'good', 'late', 'late', 'crc', 'crc', 'count', 'generation', 'stream', 'again'] as const

const DEAD_CHANCE = 0.2
/** Lines that are no events, each for another reason. */
const DEAD_LINES = [
  'no json',
  '{"m":1,"kind":"reading"',
  '[{"m":1,"kind":"reading"}]',
  '{"kind":"reading"}',
  '{"m":"1","kind":"reading"}',
  '{"m":1,"value":1}',
  '{"m":1,"kind":"dead"}',
  '{"m":1,"kind":"reading","value":"warm"}',
  '{"m":1,"kind":"reading","m":2}',
  '{"m":1,"kind":"command","issued":-1}',
]

/** A hub of another make, whose firmware forms lines and batches that cannot be read, and sends what is days old. */
export function stranger(world: World, ingest: IngestNode, acknowledged: AcknowledgedListener): Sender {
  let next = 0
  return new Sender({
    ...{ identity: IDENTITY, world, ingest, every_ms: EVERY_MS },
    form(life) {
      const form = world.pick(FORMS)
      const count = Math.floor(world.between(1, 5))
      const first = form === 'again' ? Math.max(0, next - count) : next
      if (form !== 'generation' && form !== 'stream') next = Math.max(next, first + count)
      const lines = Array.from({ length: count }, (_, i) => {
        if (world.random.float() < DEAD_CHANCE) return world.pick(DEAD_LINES)
        const m = form === 'late' ? i - Math.floor(world.between(0, DAYS_MAX)) * DAY_MS : i
        return JSON.stringify({ m, kind: 'reading', value: i, nested: { of: [i, null] }, unit: i % 2 ? 'é' : '°C' })
      })
      const about = { boot: BOOT, stream: 'readings', first, wall: life.clock.now() }
      return formed(about, form === 'count' ? [...lines, ...lines] : lines, {
        ...{ count, next: first + count },
        ...(form === 'generation' && { boot: BOOT.replace('1-', '2-') }),
        ...(form === 'stream' && { stream: 'diary' }),
        ...((form === 'crc' || form === 'again') && { crc: '00000000' }),
      })
    },
    durable: (batch) => acknowledged({ ...batch, source: IDENTITY.source }),
  })
}
