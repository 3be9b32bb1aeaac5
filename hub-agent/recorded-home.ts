import { z } from 'zod'
import type { Clock, Random } from '../contract/clock.ts'
import type { Event } from '../contract/event.ts'
import { Problem } from '../contract/problem.ts'
import type { Disk } from '../link/disk.ts'
import { openOutbox } from '../link/outbox.ts'
import { readAccounts } from '../link/outbox-store.ts'
import { AGENT_VERSION } from './agent.ts'
import type { Devices, Report } from './devices.ts'
import { RECORDING_OUTBOX_MAX_BYTES } from './limits.ts'
import { inOrder, type Recording } from './recording.ts'

/** What a recorded attribute is measured in, where its name says so. */
export function unitOf(attribute: string): string | undefined {
  if (/(^|_)(temperature|setpoint)(_|$)/.test(attribute)) return '°C'
  return /(^|_)humidity(_|$)/.test(attribute) ? '%' : undefined
}

/**
 * A recorded home behind the seam: it speaks at the distances in time of the recording, divided by `speed`, as if it
 * were now. Nothing in it can be set. `recorded_ms` of each report is when it was recorded, plus the shift.
 */
export function recordedHome(options: {
  readonly recording: Recording
  readonly clock: Clock
  readonly speed: number
  readonly shift_ms?: number
  /** All was said. */
  readonly ended?: () => void
}): Devices {
  const { recording, clock, speed, shift_ms = 0 } = options
  const origin_ms = clock.monotonic()
  const [start_ms] = recording.span_ms ?? [0]
  const listeners = new Set<(report: Report) => void>()
  const readings = inOrder(recording)
  let cancel: () => void = () => undefined
  const plan = () => {
    const next = readings.next()
    if (next.done) {
      options.ended?.()
      return
    }
    const { device, attribute, value, recorded_ms } = next.value
    const due_ms = origin_ms + (recorded_ms - start_ms) / speed
    cancel = clock.timer(Math.max(0, due_ms - clock.monotonic()), () => {
      const unit = unitOf(attribute)
      const m = clock.monotonic() - origin_ms
      const report = { device, attribute, value, m, recorded_ms: recorded_ms + shift_ms, ...(unit ? { unit } : {}) }
      for (const listener of listeners) listener(report)
      plan()
    })
  }
  plan()
  return {
    list() {
      const devices = [...new Set(recording.series.map((series) => series.device))]
      return devices.map((device) => ({
        device,
        type: 'recorded',
        attributes: recording.series.filter((series) => series.device === device).map((series) => series.attribute),
      }))
    },
    async actuate(device) {
      throw new Problem('invalid', `${device} is a recording: it can be heard, not set`)
    },
    subscribe(callback) {
      listeners.add(callback)
      return () => listeners.delete(callback)
    },
    async close() {
      cancel()
      listeners.clear()
    },
  }
}

/** Readings that are written to the disk at once. */
const CHUNK = 2_000

/** What a disk keeps of a recording that it was given: the boots that tell it, and whether all of it is written. */
const told = z.object({ version: z.literal(1), boots: z.array(z.string()), whole: z.boolean() })
const TOLD = 'recording/'

/**
 * Writes a recording into the outbox on `disk` as a boot that began at its first reading, as fast as it goes. The agent
 * that opens the disk next is a later boot, so what it sends of this one carries no `now`: the time of a reading is
 * `wall + m`, to the millisecond the recorded one plus `shift_ms`, and its value the recorded double. Told again under
 * the same `name` it writes nothing, and cut off in the middle it goes on where the disk ends, in a boot more.
 * Returns how many readings it wrote. Raises `limit` for a recording that no outbox holds.
 */
export async function writeRecording(options: {
  readonly recording: Recording
  /** Names this recording and its shift on this disk. */
  readonly name: string
  readonly shift_ms: number
  readonly disk: Disk
  readonly random: Random
  readonly hub: string
  readonly generation: number
  readonly firmware: string
  readonly floor?: number
}): Promise<{ readonly count: number }> {
  const { recording, shift_ms, disk, hub } = options
  const kept = disk.get(TOLD + options.name)
  const before: z.infer<typeof told> = kept
    ? told.parse(JSON.parse(Buffer.from(kept).toString()))
    : { version: 1, boots: [], whole: false }
  if (before.whole) return { count: 0 }
  // Nothing was sent of them: no agent runs before the recording is whole.
  const written = readAccounts(disk)
    .filter(({ boot, stream }) => stream === 'readings' && before.boots.includes(boot.boot))
    .reduce((sum, { next }) => sum + next, 0)
  const [start_ms] = recording.span_ms ?? [0]
  const began_ms = start_ms + shift_ms
  const outbox = await openOutbox({
    disk,
    // The clock of a hub that was switched on at the first reading.
    clock: { now: () => began_ms, monotonic: () => 0, timer: () => () => undefined },
    random: options.random,
    source: hub,
    generation: options.generation,
    firmware: options.firmware,
    agent: AGENT_VERSION,
    streams: [{ name: 'control' }, { name: 'readings', max_bytes: RECORDING_OUTBOX_MAX_BYTES }],
    ...(options.floor === undefined ? {} : { floor: options.floor }),
  })
  const note = (whole: boolean) => {
    const value: z.infer<typeof told> = { version: 1, boots: [...before.boots, outbox.boot()], whole }
    disk.write([{ put: TOLD + options.name, value: Buffer.from(JSON.stringify(value)) }])
  }
  note(false)
  let chunk: Event[] = []
  let place = 0
  for (const { device, attribute, value, recorded_ms } of inOrder(recording)) {
    if (place++ < written) continue
    const unit = unitOf(attribute)
    chunk.push({ m: recorded_ms - start_ms, kind: 'reading', device, attribute, value, ...(unit ? { unit } : {}) })
    if (chunk.length < CHUNK) continue
    outbox.appendAll('readings', chunk)
    chunk = []
  }
  if (chunk.length > 0) outbox.appendAll('readings', chunk)
  const dropped = outbox.status().reduce((sum, stream) => sum + stream.dropped, 0)
  if (dropped > 0) {
    throw new Problem(
      'limit',
      `the recording does not fit into an outbox of ${RECORDING_OUTBOX_MAX_BYTES} bytes; split it`,
    )
  }
  note(true)
  await outbox.sync()
  return { count: place - written }
}
