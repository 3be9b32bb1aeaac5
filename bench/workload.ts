import { createHash } from 'node:crypto'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { type BatchHeader, codecOf, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import type { Random } from '../contract/clock.ts'
import { EVENT_FIELDS } from '../contract/event.ts'
import { formatBoot } from '../contract/source.ts'
import { seededRandom } from '../sim/clock.ts'
import type { WorkloadFacts } from './benchmark.ts'

/**
 * The events that benchmarks send, from a seed: 60 % readings (random walks with two decimals), 25 % health, 10 %
 * command stages, 5 % log text of 40–200 characters. Lines average 140–160 bytes; zstd level 3 packs them 6 to 12 times
 * (`factsOf` measures both). 1 % of batches are sent twice, 1 % are gzip, 1 % plain, 0.1 % of events malformed.
 */
export type Workload = {
  readonly name: string
  readonly sources: number
  readonly events_a_batch: number
  /** Events since so long, in so many batches a source, all sent when the source comes back. */
  readonly backlog?: { readonly span_ms: number; readonly batches: number }
}

export const WORKLOAD_S: Workload = { name: 'S', sources: 2_000, events_a_batch: 20 }
export const WORKLOAD_L: Workload = { name: 'L', sources: 200, events_a_batch: 400 }
export const WORKLOAD_B: Workload = {
  ...{ name: 'B', sources: 2_000, events_a_batch: 400 },
  backlog: { span_ms: 48 * 3_600_000, batches: 4 },
}

/** By its name. */
export function workloadOf(name: string): Workload {
  const found = [WORKLOAD_S, WORKLOAD_L, WORKLOAD_B].find((one) => one.name === name)
  if (!found) throw new Error(`no workload ${name}: there are S, L and B`)
  return found
}

export type WorkloadBatch = {
  readonly hub: string
  readonly boot: string
  readonly stream: 'readings'
  readonly first: number
  readonly count: number
  readonly malformed: number
  /** The batch before it, sent again. */
  readonly resent: boolean
  /** Sum over the good events, as `CHECKSUM_SQL` finds it in rows. */
  readonly checksum: bigint
  readonly plain_bytes: number
  readonly bytes: Buffer
}

/**
 * Rows of good events and their checksum, as text: the sum of each event's first 48 bits of MD5, whatever the order.
 * Over a relation with the columns of the events table.
 */
export const CHECKSUM_SQL = `SELECT count(*) || ' ' || coalesce(sum(('0x' || md5(concat_ws(' ', hub_id, seq, kind,
    coalesce(device_id, ''), coalesce(attribute, ''), coalesce(CAST(round(value * 100) AS BIGINT), 0), coalesce(text, ''),
    coalesce(command_id, ''), coalesce(stage, ''), CAST(mono_ms AS BIGINT), coalesce(cardinality(extra), 0)))[1:12])::BIGINT), 0) AS checksum`

const FIELDS = new Set<string>(EVENT_FIELDS)

function eventChecksum(hub: string, seq: number, event: Event): bigint {
  const { m, kind, device = '', attribute = '', value = 0, text = '', command = '', stage = '' } = event
  const extra = Object.keys(event).filter((name) => !FIELDS.has(name)).length
  const words = [hub, seq, kind, device, attribute, Math.round(value * 100), text, command, stage, m, extra]
  return BigInt(createHash('md5').update(words.join(' ')).digest().readUIntBE(0, 6))
}

type Event = {
  readonly m: number
  readonly kind: string
  readonly device?: string
  readonly attribute?: string
  readonly value?: number
  readonly text?: string
  readonly command?: string
  readonly stage?: string
  readonly [other: string]: unknown
}

const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }
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

/** The ids of a workload's sources. */
export function hubsOf({ sources }: Workload): readonly string[] {
  return Array.from({ length: sources }, (_, i) => `hub-${String(i).padStart(5, '0')}`)
}

/** Endless batches of the workload, source after source, each source's sequence without a hole. */
export function* batches(
  workload: Workload,
  options: {
    readonly seed: number
    readonly wall_ms: number
    /** How long before its transmission a source's events happened; 0 when absent. */
    age_ms?(source: number): number
  },
): Generator<WorkloadBatch> {
  const random = seededRandom(options.seed)
  const sources = hubsOf(workload).map((hub, i) => openSource(hub, workload, random, options.age_ms?.(i) ?? 0))
  for (;;) {
    for (const source of sources) {
      const batch = source.batch(options.wall_ms)
      yield batch
      if (random.float() < 0.01) yield { ...batch, resent: true }
    }
  }
}

/** Between two events of a source, on average, unless it has a backlog. */
const STEP_MS = 49.5

function openSource(hub: string, { events_a_batch: count, backlog }: Workload, random: Random, age_ms: number) {
  const slower = backlog ? backlog.span_ms / (backlog.batches * count * STEP_MS) : 1
  const boot = formatBoot({ generation: 1, counter: 1, random: 'be7c4a11' })
  const levels = ATTRIBUTES.map(([, , level]) => level as number)
  let next = 0
  let m = 60_000

  function line(seq: number): { readonly text: string; readonly checksum?: bigint } {
    m += Math.round((20 + Math.floor(random.float() * 60)) * slower)
    if (random.float() < 0.001) return { text: pick(MALFORMED, random) }
    const made = event(random.float())
    return { text: JSON.stringify(made), checksum: eventChecksum(hub, seq, made) }
  }

  function event(share: number): Event {
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

  function batch(wall_ms: number): WorkloadBatch {
    const first = next
    next += count
    const lines = Array.from({ length: count }, (_, i) => line(first + i))
    const events = `${lines.map(({ text }) => text).join('\n')}\n`
    const header: BatchHeader = {
      hearth: PROTOCOL_VERSION,
      boot,
      stream: 'readings',
      first,
      count,
      next,
      acked: first,
      now: Math.max(m, backlog?.span_ms ?? 0) + age_ms,
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
      malformed: lines.filter(({ checksum }) => checksum === undefined).length,
      checksum: lines.reduce((sum, { checksum }) => sum + (checksum ?? 0n), 0n),
    }
  }

  return { batch }
}

function packed(plain: Buffer, random: Random): Buffer {
  const share = random.float()
  if (share < 0.01) return gzipSync(plain)
  if (share < 0.02) return plain
  return zstdCompressSync(plain, ZSTD)
}

function pick<T>(from: readonly T[], random: Random): T {
  const value = from[Math.floor(random.float() * from.length)]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

/** What was made, for the head of a result. */
export function factsOf(
  workload: Workload,
  seed: number,
  made: readonly WorkloadBatch[],
): Omit<WorkloadFacts, 'checksums_found'> {
  const sum = (of: (batch: WorkloadBatch) => number, some = made) => some.reduce((total, one) => total + of(one), 0)
  const first = made.filter(({ resent }) => !resent)
  const zstd = made.filter(({ bytes }) => codecOf(bytes) === 'zstd')
  const events = sum(({ count }) => count, first)
  const malformed = sum((batch) => batch.malformed, first)
  const plain_bytes = sum((batch) => batch.plain_bytes, first)
  const checksum = first.reduce((total, batch) => total + batch.checksum, 0n)
  return {
    ...{ name: workload.name, seed, sources: workload.sources, events_a_batch: workload.events_a_batch },
    ...{ batches: made.length, events, malformed, plain_bytes, bytes_a_line: plain_bytes / events },
    zstd3_ratio: sum((batch) => batch.plain_bytes, zstd) / sum(({ bytes }) => bytes.length, zstd),
    checksum_sent: `${events - malformed} ${checksum}`,
  }
}
