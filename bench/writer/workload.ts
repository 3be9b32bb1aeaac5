import { gzipSync, zstdCompressSync } from 'node:zlib'
import { eventsCrc } from '../../contract/batch.ts'
import type { Random } from '../../contract/clock.ts'

/** Batches of workload L: 200 hubs, 400 events a batch, drawn so that they compress like real readings. */
export type WorkloadBatch = { readonly source: string; readonly bytes: Uint8Array; readonly events: number }

export const SOURCES = 200
export const EVENTS_A_BATCH = 400
const ATTRIBUTES = [
  ...['temperature', 'humidity', 'pressure', 'power', 'energy', 'voltage'],
  ...['current', 'illuminance', 'battery', 'co2', 'noise', 'level'],
]
const UNITS = ['°C', '%', 'hPa', 'W', 'kWh', 'V', 'A', 'lx', '%', 'ppm', 'dB', '%']
const ROOMS = ['kitchen', 'hall', 'bath', 'bedroom', 'study', 'attic', 'cellar', 'garden']
const DEVICES = ROOMS.flatMap((room) =>
  ['lamp', 'sensor', 'plug', 'lock', 'thermostat'].map((name) => `${room}-${name}`),
)
const WORDS = [
  'radio',
  'retry',
  'mesh',
  'route',
  'joined',
  'left',
  'timeout',
  'link',
  'quality',
  'changed',
  'device',
  'ok',
]

type Hub = { readonly source: string; first: number; clock_ms: number; readonly levels: number[]; commands: number }

/** Endless batches, hub by hub in turns. The same seed gives the same bytes. */
export function* workloadL(random: Random, wall_ms: number): Generator<WorkloadBatch> {
  const hubs = Array.from({ length: SOURCES }, (_, i): Hub => {
    const levels = ATTRIBUTES.map(() => 2000 + Math.floor(random.float() * 1000))
    return { source: `load-${i}`, first: 0, clock_ms: Math.floor(random.float() * 1e7), levels, commands: 0 }
  })
  let previous: WorkloadBatch | undefined
  for (;;) {
    for (const hub of hubs) {
      if (previous && random.float() < 0.01) yield previous
      previous = batchOf(hub, random, wall_ms)
      yield previous
    }
  }
}

function batchOf(hub: Hub, random: Random, wall_ms: number): WorkloadBatch {
  const lines: string[] = []
  for (let i = 0; i < EVENTS_A_BATCH; i++) {
    hub.clock_ms += 5 + Math.floor(random.float() * 20)
    const line = JSON.stringify(eventOf(hub, random))
    lines.push(random.float() < 0.001 ? line.slice(0, -12) : line)
  }
  const text = `${lines.join('\n')}\n`
  const header = {
    ...{ hearth: 1, boot: '1-1-00000001', stream: 'readings', first: hub.first, count: EVENTS_A_BATCH },
    ...{ next: hub.first + EVENTS_A_BATCH, acked: hub.first, now: hub.clock_ms, wall: wall_ms - hub.clock_ms },
    ...{ firmware: '4.2.1', agent: '1.0.0', dropped: [], crc: eventsCrc(text), previous: [] },
  }
  hub.first += EVENTS_A_BATCH
  const plain = Buffer.from(`${JSON.stringify(header)}\n${text}`)
  const dice = random.float()
  const bytes = dice < 0.01 ? plain : dice < 0.02 ? gzipSync(plain) : zstdCompressSync(plain)
  return { source: hub.source, bytes, events: EVENTS_A_BATCH }
}

function eventOf(hub: Hub, random: Random): object {
  const m = hub.clock_ms + Math.floor(random.float() * 100) / 100
  const device = DEVICES[Math.floor(random.float() * DEVICES.length)]
  const dice = random.float()
  if (dice < 0.6) {
    const which = Math.floor(random.float() * ATTRIBUTES.length)
    const level = (hub.levels[which] ?? 2000) + Math.floor(random.float() * 7) - 3
    hub.levels[which] = level
    return {
      m,
      kind: 'reading',
      device,
      attribute: ATTRIBUTES[which],
      value: level / 100,
      unit: UNITS[which],
      quality: undefined,
    }
  }
  if (dice < 0.85) {
    const rssi_dbm = -50 - Math.floor(random.float() * 20)
    return {
      m,
      kind: 'health',
      uptime_ms: hub.clock_ms,
      queue: Math.floor(random.float() * 4),
      rssi_dbm,
      heap_kb: 18_220,
    }
  }
  if (dice < 0.95) {
    const command = `0193${Math.floor(random.float() * 2 ** 48)
      .toString(16)
      .padStart(12, '0')}`
    const issued = 1_764_000_000_000 + hub.clock_ms
    return {
      m,
      kind: 'command',
      command,
      issued,
      stage: 'executed',
      ms: Math.floor(random.float() * 9000) / 100,
      device,
    }
  }
  const count = 6 + Math.floor(random.float() * 20)
  const words = Array.from({ length: count }, () => WORDS[Math.floor(random.float() * WORDS.length)])
  return { m, kind: 'log', text: words.join(' ') }
}
