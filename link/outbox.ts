/**
 * The source's side of telemetry (docs/hub-protocol.md): numbers events, keeps them until they are acknowledged, and
 * accounts for every number that it gave out. Used by the hub agent and by the relay's spool. `shipOutbox` sends it.
 */
import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { randomHex } from '../contract/clock.ts'
import type { Event } from '../contract/event.ts'
import { add, type IntervalSet, subtract } from '../contract/interval.ts'
import { DROPPED_RANGES_MAX, PREVIOUS_BOOTS_MAX } from '../contract/limits.ts'
import { assert, isProblem, Problem } from '../contract/problem.ts'
import { formatBoot, formatEpoch } from '../contract/source.ts'
import { batchBytes, lineOf, pack, unpack } from './batch-codec.ts'
import type { DiskChange } from './disk.ts'
import {
  BATCH_TARGET_BYTES,
  BATCH_TARGET_EVENTS,
  BATCH_TARGET_MIN_BYTES,
  BOOT_ACCOUNTS_MAX,
  ENTRY_OVERHEAD_BYTES,
  STREAM_MAX_BYTES,
} from './limits.ts'
import {
  type Account,
  ackedOf,
  addOpen,
  type BootRecord,
  entriesOf,
  frontOf,
  type Held,
  isOlder,
  newAccount,
  rangesOf,
  removeOpen,
} from './outbox-account.ts'
import type { Outbox, OutboxOptions, TakenBatch, Transmission } from './outbox-seam.ts'
import { change, emptyBoots, readAccounts, readBody, readCounter } from './outbox-store.ts'

export type { Outbox, OutboxOptions, StreamStatus, TakenBatch, Transmission } from './outbox-seam.ts'

/**
 * Opens the outbox on `disk` and begins a new boot, synced before this resolves, so that no crash repeats it.
 * Raises `corrupt` for a newer format, `conflict` for another source's outbox, and the disk's own Problems.
 */
export async function openOutbox(options: OutboxOptions): Promise<Outbox> {
  const { disk, clock, random, source, generation, codec = 'zstd' } = options
  const origin_ms = clock.monotonic()
  const wall = clock.now()
  const limits = new Map(options.streams.map((stream) => [stream.name, stream.max_bytes ?? STREAM_MAX_BYTES]))
  for (const [name, max_bytes] of limits) {
    assert(/^[a-z0-9]{1,16}$/.test(name), `a stream is named by 1-16 of a-z and 0-9, found ${name}`)
    assert(max_bytes >= 2 * BATCH_TARGET_MIN_BYTES, `stream ${name} needs at least ${2 * BATCH_TARGET_MIN_BYTES} bytes`)
  }
  let counter = readCounter(disk, source)
  /** Oldest boot first; the running boot's accounts are made at the first append. */
  let accounts: Account[] = readAccounts(disk)
  const streams = [...new Set([...limits.keys(), ...accounts.map((account) => account.stream)])]
  const droppedEvents = new Map(streams.map((stream) => [stream, 0]))
  const bytesKept = new Map(streams.map((stream) => [stream, 0]))
  const watchers = new Set<(stream: string) => void>()
  let target_bytes = options.batch_bytes ?? BATCH_TARGET_BYTES
  let connects = 0
  let running: BootRecord
  /** What each taken batch is, and what each transmission's header told. */
  const taken = new WeakMap<TakenBatch, { readonly account: Account; readonly held: Held | undefined }>()
  const told = new WeakMap<Transmission, readonly Told[]>()
  /** Streams with an empty batch in flight: one at a time. */
  const telling = new Set<string>()

  /** Relay and gateway may each tell a floor at once: the second looks at what the first began. */
  let raising: Promise<unknown> = Promise.resolve()

  async function begin(floor: number): Promise<void> {
    const next = Math.max(counter, floor) + 1
    const boot = formatBoot({ generation, counter: next, random: randomHex(random, 4) })
    const record = { boot, wall, firmware: options.firmware, agent: options.agent }
    makeRoom(() => disk.write([change.meta(source, next), change.boot(record)]))
    await disk.sync()
    counter = next
    running = record
    connects = 0
    // Only now: while it was synced, the boot before may have given out its first numbers.
    const unused = accounts.filter((account) => account.next === 0)
    accounts = accounts.filter((account) => account.next > 0)
    disk.write([
      ...unused.map((account) => change.forgetAccount(account)),
      ...emptyBoots(disk, accounts)
        .filter((empty) => empty !== running.boot)
        .map((empty) => change.forgetBoot(empty)),
    ])
  }

  const accountsOf = (stream: string) => accounts.filter((account) => account.stream === stream)

  function runningAccount(stream: string): Account {
    const found = accounts.findLast((account) => account.boot === running && account.stream === stream)
    if (found) return found
    const account = newAccount(running, stream, true)
    accounts.push(account)
    return account
  }

  function keep(stream: string, bytes: number) {
    bytesKept.set(stream, (bytesKept.get(stream) ?? 0) + bytes)
  }

  function appendAll(stream: string, events: readonly Event[], also: readonly DiskChange[] = []): number {
    assert(limits.has(stream), `the outbox of ${source} has no stream ${stream}`)
    const entries = entriesOf(events.map(lineOf))
    const account = runningAccount(stream)
    const first = account.next
    makeRoom(() => disk.write([...change.append(account, entries), ...also]))
    account.next += events.length
    for (const entry of entries) {
      addOpen(account, entry)
      keep(stream, entry.bytes + ENTRY_OVERHEAD_BYTES)
    }
    tidy(account)
    for (const callback of watchers) callback(stream)
    return first
  }

  /** Runs `write`; on a full disk gives up the oldest batches of the least important streams for it. */
  function makeRoom(write: () => void) {
    for (;;) {
      try {
        write()
        return
      } catch (error) {
        if (!isProblem(error, 'limit') || !streams.toReversed().some((stream) => dropOldest(stream))) throw error
      }
    }
  }

  function sealFull(account: Account) {
    while (account.openBytes >= target_bytes || account.openCount >= BATCH_TARGET_EVENTS) {
      seal(account)
    }
  }

  /** After an append the events are kept as lines: what the disk refuses of their batch, `take` tries again. */
  function tidy(account: Account) {
    try {
      sealFull(account)
      boundStream(account.stream)
    } catch (error) {
      if (!isProblem(error)) throw error
    }
  }

  /** Cuts one batch off the front of what is open. */
  function seal(account: Account): Held {
    const entries = frontOf(account, target_bytes)
    const count = entries.reduce((sum, lines) => sum + lines.count, 0)
    assert(count > 0, 'a batch is cut only when a line is open')
    const plain = Buffer.from(entries.map(({ text }) => text).join(''))
    const body = pack(plain, codec)
    const first = account.next - account.openCount
    const held: Held = { first, count, crc: eventsCrc(plain), bytes: body.length, inFlight: false }
    disk.write([...change.seal(account, held, entries, body), change.account(account)])
    removeOpen(account, entries)
    account.held.push(held)
    keep(account.stream, body.length + ENTRY_OVERHEAD_BYTES - plain.length - entries.length * ENTRY_OVERHEAD_BYTES)
    return held
  }

  function boundStream(stream: string) {
    const max_bytes = limits.get(stream) ?? STREAM_MAX_BYTES
    while ((bytesKept.get(stream) ?? 0) > max_bytes) {
      if (dropOldest(stream)) continue
      const account = accountsOf(stream).find((one) => one.open.length > 0)
      if (!account) return
      seal(account)
    }
  }

  /** Drops the oldest batch, one that waits for no answer where there is one. False when the stream holds none. */
  function dropOldest(stream: string): boolean {
    const candidates = accountsOf(stream).flatMap((account) => account.held.map((held) => ({ account, held })))
    const victim = candidates.find(({ held }) => !held.inFlight) ?? candidates[0]
    if (!victim) return false
    discard(victim.account, victim.held)
    return true
  }

  /** The batch's numbers become a range that the headers tell until a batch that told it is acknowledged. */
  function discard(account: Account, held: Held) {
    const dropped = add(account.dropped, held.first, held.first + held.count)
    disk.write([...change.forgetBatch(account, held.first), change.account({ ...account, dropped })])
    account.dropped = dropped
    forget(account, held)
    droppedEvents.set(account.stream, (droppedEvents.get(account.stream) ?? 0) + held.count)
  }

  function forget(account: Account, held: Held) {
    account.held = account.held.filter((other) => other !== held)
    keep(account.stream, -held.bytes - ENTRY_OVERHEAD_BYTES)
  }

  function take(stream: string, { flush = false } = {}): TakenBatch | undefined {
    const mine = accountsOf(stream)
    const waiting = mine.reduce((sum, account) => sum + account.dropped.length, 0)
    if (waiting >= DROPPED_RANGES_MAX && !telling.has(stream)) return hand(runningAccount(stream), undefined)
    for (const account of mine) {
      const held = account.held.find((one) => !one.inFlight)
      if (held) return hand(account, held)
      if (account.open.length > 0 && (flush || account.boot !== running)) return hand(account, seal(account))
    }
    const untold = mine.some((account) => account.dropped.length > 0 || closable(account))
    if (flush && untold && !telling.has(stream) && !mine.some((account) => account.held.length > 0)) {
      return hand(runningAccount(stream), undefined)
    }
    return undefined
  }

  /** Nothing of an earlier boot is left here: the next acknowledged header closes it. */
  function closable(account: Account): boolean {
    return account.boot !== running && account.held.length === 0 && account.open.length === 0
  }

  function hand(account: Account, held: Held | undefined): TakenBatch {
    if (held) held.inFlight = true
    else telling.add(account.stream)
    const batch = {
      boot: account.boot.boot,
      stream: account.stream,
      first: held?.first ?? account.next,
      count: held?.count ?? 0,
    }
    taken.set(batch, { account, held })
    return batch
  }

  function takenOf(batch: TakenBatch) {
    const found = taken.get(batch)
    assert(found, 'a batch is answered once, and by the outbox that gave it')
    return found
  }

  /** One that is damaged on the disk is told as dropped: else nothing behind it would be sent. */
  function linesOf(account: Account, held: Held): Buffer {
    if (!account.held.includes(held)) throw new Problem('limit', 'the batch was given up for want of room')
    try {
      return unpack(readBody(disk, account, held.first))
    } catch (error) {
      if (isProblem(error, 'corrupt', 'invalid')) discard(account, held)
      throw error
    }
  }

  function transmit(batch: TakenBatch): Transmission {
    const { account, held } = takenOf(batch)
    const lines = held ? linesOf(account, held) : Buffer.alloc(0)
    const older = accountsOf(batch.stream).filter((other) => isOlder(other, account) && other.next > 0)
    const previous = older.slice(0, PREVIOUS_BOOTS_MAX).map((other) => ({
      boot: other.boot.boot,
      next: other.next,
      acked: ackedOf(other),
      dropped: rangesOf(other.dropped),
      held: other.held.length > 0 || other.open.length > 0,
    }))
    const header: BatchHeader = {
      hearth: PROTOCOL_VERSION,
      boot: batch.boot,
      stream: batch.stream,
      first: batch.first,
      count: batch.count,
      next: account.next,
      acked: ackedOf(account),
      ...(account.running ? { now: m() } : {}),
      wall: account.boot.wall,
      firmware: account.boot.firmware,
      agent: account.boot.agent,
      dropped: rangesOf(account.dropped),
      crc: held?.crc ?? eventsCrc(''),
      previous,
    }
    const transmission = { batch, header, bytes: batchBytes(header, lines, codec) }
    told.set(transmission, [
      { account, dropped: account.dropped, closed: false },
      ...older.slice(0, PREVIOUS_BOOTS_MAX).map((other) => ({
        account: other,
        dropped: other.dropped,
        closed: other.held.length === 0 && other.open.length === 0,
      })),
    ])
    return transmission
  }

  function acknowledge(transmission: Transmission) {
    const { account, held } = takenOf(transmission.batch)
    const changes: DiskChange[] = []
    // An answer that was overtaken may speak of an account that was closed meanwhile: it must not come back.
    const after = (told.get(transmission) ?? [])
      .filter((one) => accounts.includes(one.account))
      .map((one) => ({ ...one, dropped: subtract(one.account.dropped, one.dropped) }))
    if (held && account.held.includes(held)) changes.push(...change.forgetBatch(account, held.first))
    for (const one of after) {
      if (one.closed) changes.push(change.forgetAccount(one.account))
      else changes.push(change.account({ ...one.account, dropped: one.dropped }))
    }
    const closed = new Set(after.filter((one) => one.closed).map((one) => one.account))
    const left = accounts.filter((one) => !closed.has(one))
    for (const boot of new Set([...closed].map((one) => one.boot))) {
      if (!left.some((one) => one.boot === boot)) changes.push(change.forgetBoot(boot.boot))
    }
    disk.write(changes)
    for (const one of after) one.account.dropped = one.dropped
    accounts = left
    if (held && account.held.includes(held)) forget(account, held)
    done(transmission.batch)
  }

  function refuse(transmission: Transmission) {
    const { account, held } = takenOf(transmission.batch)
    if (held && account.held.includes(held)) discard(account, held)
    done(transmission.batch)
  }

  function done(batch: TakenBatch) {
    const { held } = takenOf(batch)
    if (held) held.inFlight = false
    else telling.delete(batch.stream)
    taken.delete(batch)
  }

  function m(): number {
    return clock.monotonic() - origin_ms
  }

  for (const account of accounts) {
    keep(account.stream, account.openBytes + account.open.length * ENTRY_OVERHEAD_BYTES)
    for (const held of account.held) keep(account.stream, held.bytes + ENTRY_OVERHEAD_BYTES)
  }
  await begin(options.floor ?? 0)
  for (const stream of streams) {
    for (const account of accountsOf(stream).slice(0, -BOOT_ACCOUNTS_MAX)) {
      while (account.open.length > 0) seal(account)
      for (const held of account.held) discard(account, held)
      disk.write([change.forgetAccount(account)])
      accounts = accounts.filter((other) => other !== account)
    }
    boundStream(stream)
  }

  return {
    source,
    streams,
    boot: () => running.boot,
    nextEpoch: () => formatEpoch({ generation, counter, connect: ++connects }),
    m,
    append: (stream, event) => appendAll(stream, [event]),
    appendAll,
    sync: () => disk.sync(),
    take,
    transmit,
    acknowledge,
    refuse,
    release: done,
    async raise(floor) {
      const raised = raising.then(() => (counter > floor ? undefined : begin(floor)))
      raising = raised.catch(() => undefined)
      await raised
      // The boot before can be closed now, though no event may follow for long.
      for (const stream of streams) for (const callback of watchers) callback(stream)
      return running.boot
    },
    retarget(batch_bytes) {
      const least = options.batch_min_bytes ?? BATCH_TARGET_MIN_BYTES
      target_bytes = Math.min(Math.max(batch_bytes, least), options.batch_bytes ?? BATCH_TARGET_BYTES)
    },
    pending: (stream) =>
      accountsOf(stream).some(
        (account) =>
          account.held.length > 0 || account.open.length > 0 || account.dropped.length > 0 || closable(account),
      ),
    status: () =>
      streams.map((stream) => {
        const mine = accountsOf(stream)
        return {
          stream,
          bytes: bytesKept.get(stream) ?? 0,
          batches: mine.reduce((sum, account) => sum + account.held.length, 0),
          events: mine.reduce((sum, one) => sum + one.openCount + one.held.reduce((n, held) => n + held.count, 0), 0),
          dropped: droppedEvents.get(stream) ?? 0,
        }
      }),
    watch(callback) {
      watchers.add(callback)
      return () => watchers.delete(callback)
    },
  }
}

/** What a header told of an account. */
type Told = { readonly account: Account; readonly dropped: IntervalSet; readonly closed: boolean }
