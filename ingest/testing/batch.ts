import { zstdCompressSync } from 'node:zlib'
import { type BatchHeader, eventsCrc } from '../../contract/batch.ts'

/** A batch as a hub would send it, header fields overridden by `change`. Events may be objects or raw lines. */
export function batchOf(
  events: readonly (object | string)[],
  change: Partial<Record<keyof BatchHeader, unknown>> = {},
): Buffer {
  const lines = events.map((event) => `${typeof event === 'string' ? event : JSON.stringify(event)}\n`).join('')
  const first = typeof change.first === 'number' ? change.first : 0
  const header = {
    ...{ hearth: 1, boot: '1-1-00000001', stream: 'readings', first, count: events.length },
    ...{ next: first + events.length, acked: 0, now: 60_000, wall: 1_764_000_000_000 },
    ...{ firmware: '4.2.1', agent: '1.0.0', dropped: [], crc: eventsCrc(lines), previous: [] },
    ...change,
  }
  return Buffer.from(`${JSON.stringify(header)}\n${lines}`)
}

export function packed(batch: Uint8Array): Buffer {
  return zstdCompressSync(batch)
}

export function reading(m: number, value: number | boolean, more: object = {}): object {
  return { m, kind: 'reading', device: 'kitchen-lamp', attribute: 'power', value, unit: 'W', ...more }
}
