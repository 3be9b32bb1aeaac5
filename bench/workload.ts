import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import type { Random } from '../contract/clock.ts'
import { formatBoot } from '../contract/source.ts'
import { seededRandom } from '../sim/clock.ts'

/**
 * The events that benchmarks send, from a seed: 60 % readings (random walks with two decimals), 25 % health and
 * connection, 10 % command stages, 5 % log text of 40–200 characters. Lines average 140–160 bytes; zstd level 3 packs
 * them 6 to 12 times (`describeWorkload` measures both). 1 % of batches are sent twice, 1 % are gzip, 1 % plain, 0.1 %
 * of events malformed.
 */
export type Workload = { readonly name: string; readonly sources: number; readonly events_a_batch: number }

export const WORKLOAD_S: Workload = { name: 'S', sources: 2_000, events_a_batch: 20 }
export const WORKLOAD_L: Workload = { name: 'L', sources: 200, events_a_batch: 400 }

export type WorkloadBatch = {
  readonly hub: string
  readonly boot: string
  readonly stream: 'readings'
  readonly first: number
  readonly count: number
  readonly malformed: number
  /** The batch before it, sent again. */
  readonly resent: boolean
  readonly plain_bytes: number
  readonly bytes: Buffer
}

const ATTRIBUTES = [
  ['temperature', 'degC', 21],
  ['humidity', '%', 45],
  ['brightness', 'lx', 180],
  ['power', 'W', 60],
  ['energy', 'kWh', 3],
  ['pressure', 'hPa', 1013],
  ['co2', 'ppm', 600],
  ['voltage', 'V', 230],
  ['current', 'A', 1],
  ['setpoint', 'degC', 20],
  ['battery', '%', 80],
  ['noise', 'dB', 35],
] as const
const ROOMS = ['kitchen', 'bathroom', 'bedroom', 'hall', 'study', 'attic', 'cellar', 'garage', 'living-room', 'nursery']
const THINGS = ['sensor', 'lamp', 'thermostat', 'plug']
const DEVICES = ROOMS.flatMap((room) => THINGS.map((thing) => `${room}-${thing}`))
const STAGES = ['received', 'executed']
const WORDS =
  'radio retry after timeout on channel joined network rebuilt route to device battery low update checked ok slow answer from zigbee stack'.split(
    ' ',
  )
const MALFORMED = ['{"m":', '{"kind":"reading","m":"soon"}', 'not json at all', '{"m":12}']

/** Endless batches of the workload, source after source, each source's sequence without a hole. */
export function* batches(
  workload: Workload,
  options: { readonly seed: number; readonly wall_ms: number },
): Generator<WorkloadBatch> {
  const random = seededRandom(options.seed)
  const sources = Array.from({ length: workload.sources }, (_, i) =>
    openSource(`hub-${String(i).padStart(5, '0')}`, random),
  )
  for (;;) {
    for (const source of sources) {
      const batch = source.batch(workload.events_a_batch, options.wall_ms)
      yield batch
      if (random.float() < 0.01) yield { ...batch, resent: true }
    }
  }
}

function openSource(hub: string, random: Random) {
  const boot = formatBoot({ generation: 1, counter: 1, random: 'be7c4a11' })
  const levels = ATTRIBUTES.map(([, , level]) => level as number)
  let next = 0
  let m = 60_000

  function line(): { text: string; malformed: boolean } {
    m += 20 + Math.floor(random.float() * 60)
    if (random.float() < 0.001) return { text: pick(MALFORMED, random), malformed: true }
    return { text: JSON.stringify(event(random.float())), malformed: false }
  }

  function event(share: number): Record<string, unknown> {
    const device = pick(DEVICES, random)
    if (share < 0.6) {
      const index = Math.floor(random.float() * ATTRIBUTES.length)
      const [attribute, unit] = ATTRIBUTES[index] ?? ATTRIBUTES[0]
      const level = Math.round(((levels[index] ?? 0) + (random.float() - 0.5)) * 100) / 100
      levels[index] = level
      return {
        m,
        kind: 'reading',
        device,
        attribute,
        value: level,
        unit,
        quality: 'good',
        link: 200 + Math.floor(random.float() * 55),
        via: 'zigbee',
      }
    }
    if (share < 0.85) {
      return {
        m,
        kind: 'health',
        uptime_ms: m,
        queue: Math.floor(random.float() * 4),
        rssi_dbm: -50 - Math.floor(random.float() * 20),
        memory_kb: 41_200 + Math.floor(random.float() * 40),
        load: 0.1,
        disk_free_mb: 812,
      }
    }
    if (share < 0.95) {
      const command = Array.from({ length: 4 }, () =>
        Math.floor(random.float() * 2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      ).join('')
      return {
        m,
        kind: 'command',
        command,
        issued: 1_764_000_000_000 + m,
        stage: pick(STAGES, random),
        ms: Math.round(random.float() * 20_000) / 100,
        device,
      }
    }
    const words = Array.from({ length: 8 + Math.floor(random.float() * 20) }, () => pick(WORDS, random)).join(' ')
    return { m, kind: 'log', level: 'info', text: words.slice(0, 200) }
  }

  function batch(count: number, wall_ms: number): WorkloadBatch {
    const lines = Array.from({ length: count }, line)
    const events = `${lines.map(({ text }) => text).join('\n')}\n`
    const first = next
    next += count
    const header: BatchHeader = {
      hearth: PROTOCOL_VERSION,
      boot,
      stream: 'readings',
      first,
      count,
      next,
      acked: first,
      now: m,
      wall: wall_ms,
      firmware: '4.2.1',
      agent: 'bench',
      dropped: [],
      crc: eventsCrc(events),
      previous: [],
    }
    const plain = Buffer.from(`${JSON.stringify(header)}\n${events}`)
    return {
      hub,
      boot,
      stream: 'readings',
      first,
      count,
      resent: false,
      plain_bytes: plain.length,
      bytes: packed(plain, random),
      malformed: lines.filter(({ malformed }) => malformed).length,
    }
  }

  return { batch }
}

function packed(plain: Buffer, random: Random): Buffer {
  const share = random.float()
  if (share < 0.01) return gzipSync(plain)
  if (share < 0.02) return plain
  return zstdCompressSync(plain)
}

function pick<T>(from: readonly T[], random: Random): T {
  const value = from[Math.floor(random.float() * from.length)]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

/** What was made, for the head of a result: bytes a line and the ratio that compression reached. */
export function describeWorkload(made: Iterable<WorkloadBatch>): {
  readonly events: number
  readonly bytes_a_line: number
  readonly ratio: number
} {
  let events = 0
  let plain_bytes = 0
  let bytes = 0
  for (const batch of made) {
    events += batch.count
    plain_bytes += batch.plain_bytes
    bytes += batch.bytes.length
  }
  return { events, bytes_a_line: plain_bytes / events, ratio: plain_bytes / bytes }
}
