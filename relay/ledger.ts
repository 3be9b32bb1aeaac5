/**
 * The ledger: what the relay must remember across its own death. Events are in an outbox, one stream a bucket, on their
 * way to the lake; commands are beside them, so that a restarted relay knows repeats and closes what it left open.
 */

import { z } from 'zod'
import { bucketOf, type Layout, serviceStream } from '../contract/bucket.ts'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { OUTCOMES, STAGES } from '../contract/command.ts'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { formatEpoch, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import type { Disk, DiskChange } from '../link/disk.ts'
import { type Outbox, openOutbox } from '../link/outbox.ts'
import type { Command, LedgerEvent } from './command.ts'
import type { Ledger } from './command-core.ts'
import {
  COMMANDS_ON_DISK_MAX,
  FORGET_AT_ONCE,
  RATE_KEYS_MAX,
  SPOOL_BATCH_BYTES,
  SPOOL_STREAM_MAX_BYTES,
  SYNC_INTERVAL_MS,
} from './limits.ts'

/** Version of a command's form on disk; a newer one is refused by name. */
const FORM = 1
/**
 * `relay/command/<id>`: the command. `relay/open/<issued>/<id>`: it has no outcome. `relay/age/<issued>/<id>`: to forget
 * the oldest. `relay/epoch/<hub>`: the highest epoch that the hub connected with, as text.
 */
const PREFIX = { command: 'relay/command/', open: 'relay/open/', age: 'relay/age/', epoch: 'relay/epoch/' } as const

const NOTHING = new Uint8Array()

const stored = z.object({
  form: z.literal(FORM, 'a newer version of this relay wrote it: start that version'),
  id: z.string(),
  hash: z.string(),
  app: z.string(),
  hub: z.string(),
  device: z.string(),
  set: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
  issued: z.number(),
  day: z.string(),
  deadline_ms: z.number(),
  stages: z.array(z.object({ stage: z.enum([...STAGES, ...OUTCOMES]), by: z.enum(['relay', 'hub']), ms: z.number() })),
  outcome: z.enum(OUTCOMES).optional(),
  reason: z.string().optional(),
  round_trip_ms: z.number().optional(),
  /** Whose monotonic clock the next two are of. */
  run: z.string().optional(),
  issued_mono: z.number().optional(),
  sent_mono: z.number().optional(),
})

/** The highest session epoch of each hub: no restart of the relay lets an older one in. */
export type EpochBook = {
  highest(hub: string): SessionEpoch | undefined
  /** Kept in memory where the disk refuses, so that a full disk costs no session. */
  raise(hub: string, epoch: SessionEpoch): void
}

export type RelayLedger = Ledger & {
  readonly outbox: Outbox
  readonly epochs: EpochBook
  /** Records what is about no command: connections, signs of life. A full disk costs the event, never the session. */
  tell(event: LedgerEvent): void
  /** What was written is on the disk itself. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens the ledger on `disk`, as service `source`. Raises `corrupt` for a form it does not know. */
export async function openLedger(options: {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly source: string
  readonly layout: Layout
  readonly version: string
  /** An event could not be kept, or the disk not be synced. */
  readonly fault: (error: unknown) => void
}): Promise<RelayLedger> {
  const { disk, clock, random, source, layout, fault } = options
  const streams = Array.from({ length: layout.buckets }, (_, bucket) => serviceStream(layout.epoch, bucket))
  const outbox = await openOutbox({
    disk,
    clock,
    random,
    source,
    generation: 1,
    firmware: options.version,
    agent: options.version,
    ...{ batch_bytes: SPOOL_BATCH_BYTES, batch_min_bytes: SPOOL_BATCH_BYTES },
    streams: streams.map((name) => ({ name, max_bytes: SPOOL_STREAM_MAX_BYTES })),
  })
  const run = randomHex(random, 8)
  const streamOfHub = new Map<string, string>()
  /** `<issued>/<id>` of the commands on the disk, in the order in which they came. */
  const places = disk.scan(PREFIX.age, `${PREFIX.age}~`).map(({ key }) => key.slice(PREFIX.age.length))
  let cancelSync: (() => void) | undefined
  let syncing = Promise.resolve()

  /** A power cut costs at most what was written since the last group. */
  const syncSoon = () => {
    cancelSync ??= clock.timer(SYNC_INTERVAL_MS, () => {
      cancelSync = undefined
      syncing = outbox.sync().catch(fault)
    })
  }

  const offset_ms = outbox.m() - clock.monotonic()
  const streamOf = (hub: string) => {
    const known = streamOfHub.get(hub)
    if (known !== undefined) return known
    const stream = streams[bucketOf(hub, layout.buckets)] ?? ''
    remember(streamOfHub, hub, stream, RATE_KEYS_MAX)
    return stream
  }

  const append = (stream: string, events: readonly LedgerEvent[], also: readonly DiskChange[] = []) => {
    const told = events.map((event) => ({ ...event, m: Math.round((event.m + offset_ms) * 1000) / 1000 }))
    if (told.length > 0) outbox.appendAll(stream, told, also)
    else if (also.length > 0) disk.write(also)
    syncSoon()
  }

  /** Places of the commands that are too many, oldest first. */
  const tooOld = () => (places.length <= COMMANDS_ON_DISK_MAX ? [] : places.slice(0, FORGET_AT_ONCE))

  const forget = (place: string): DiskChange[] => [
    { delete: `${PREFIX.age}${place}` },
    { delete: `${PREFIX.open}${place}` },
    { delete: `${PREFIX.command}${place.slice(place.indexOf('/') + 1)}` },
  ]

  const changesOf = (command: Command): DiskChange[] => {
    const place = placeOf(command)
    const known = { put: `${PREFIX.command}${command.id}`, value: encode({ form: FORM, run, ...command }) }
    if (command.outcome !== undefined) return [known, { delete: `${PREFIX.open}${place}` }]
    return [known, { put: `${PREFIX.open}${place}`, value: NOTHING }, { put: `${PREFIX.age}${place}`, value: NOTHING }]
  }

  /** Events and their command go to the disk in one write: a command is never known by half. */
  const write = (events: readonly LedgerEvent[], command: Command | undefined) => {
    const hub = command?.hub ?? events[0]?.hub
    if (hub === undefined) return
    assert(
      events.every((event) => event.hub === hub),
      'what is written at once is of one hub',
    )
    const old = command ? tooOld() : []
    try {
      append(streamOf(hub), events, command && [...changesOf(command), ...old.flatMap(forget)])
      places.splice(0, old.length)
      if (command && command.outcome === undefined) places.push(placeOf(command))
    } catch (error) {
      // Anything else (an event that is too long) is a fault of ours: trying it again would never end.
      if (!isProblem(error) || error.kind === 'invalid') throw error
      throw new Problem('unavailable', `the relay's ledger cannot be written: ${error.message}`, { cause: error })
    }
  }

  const read = (id: string): Command | undefined => {
    const value = disk.get(`${PREFIX.command}${id}`)
    return value ? decode(value, run) : undefined
  }

  /** What the disk refused; no larger than the fleet, whose hubs alone come this far. */
  const unsaved = new Map<string, SessionEpoch>()
  const epochs: EpochBook = {
    highest(hub) {
      const value = disk.get(PREFIX.epoch + hub)
      return unsaved.get(hub) ?? (value && parseEpoch(Buffer.from(value).toString()))
    },
    raise(hub, epoch) {
      unsaved.set(hub, epoch)
      try {
        disk.write([{ put: PREFIX.epoch + hub, value: Buffer.from(formatEpoch(epoch)) }])
        unsaved.delete(hub)
        syncSoon()
      } catch (error) {
        if (!isProblem(error)) throw error
        fault(error)
      }
    },
  }

  return {
    outbox,
    epochs,
    write,
    find: read,
    open: () =>
      disk.scan(PREFIX.open, `${PREFIX.open}~`).flatMap(({ key }) => {
        const command = read(key.slice(key.lastIndexOf('/') + 1))
        return command ? [command] : []
      }),
    tell(event) {
      try {
        append(streamOf(event.hub), [event])
      } catch (error) {
        fault(error)
      }
    },
    sync: () => outbox.sync(),
    async close() {
      cancelSync?.()
      await syncing
      await outbox.sync()
    },
  }
}

function placeOf({ issued, id }: Command): string {
  return `${String(issued).padStart(15, '0')}/${id}`
}

function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** Monotonic times are this run's, or of no use. */
function decode(value: Uint8Array, run: string): Command {
  const unreadable = (why: string) => new Problem('corrupt', `a command in the relay's ledger cannot be read: ${why}`)
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(value).toString('utf8'))
  } catch (error) {
    throw unreadable(messageOf(error))
  }
  const parsed = stored.safeParse(json)
  if (!parsed.success) throw unreadable(parsed.error.issues.map(({ message }) => message).join('; '))
  const { form: _form, run: of, issued_mono, sent_mono, stages, outcome, reason, round_trip_ms, ...plain } = parsed.data
  return {
    ...plain,
    issued_mono: of === run ? issued_mono : undefined,
    sent_mono: of === run ? sent_mono : undefined,
    stages,
    outcome,
    reason,
    round_trip_ms,
  }
}
