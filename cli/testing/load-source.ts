/**
 * One hub's numbering, as docs/hub-protocol.md has it and apart from `link/outbox.ts`, so that the two cannot share a
 * mistake: batches that are never cut anew, headers made at each transmission, boots that follow one another.
 */
import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../../contract/batch.ts'
import { type Clock, type Random, randomHex } from '../../contract/clock.ts'
import { formatBoot, HUB_STREAMS, type HubStream } from '../../contract/source.ts'
import { pack } from '../../link/batch-codec.ts'

type Run = { readonly boot: string; readonly began_ms: number; readonly wall: number }
/** The numbers of one stream in one run of the source. */
type Account = { readonly run: Run; next: number; readonly held: Set<LoadBatch> }

export type LoadBatch = {
  readonly boot: string
  readonly stream: HubStream
  readonly first: number
  readonly count: number
  readonly lines: Buffer
  readonly account: Account
}

export type LoadSource = {
  readonly hub: string
  /** For the user name of the next connection. */
  epoch(): string
  /** The next batch of the running boot; with 0 events one that only tells the account. */
  form(stream: HubStream, events: number): LoadBatch
  /** The bytes of one transmission, and what to do when it was acknowledged. */
  transmit(batch: LoadBatch): { readonly bytes: Buffer; acknowledged(): void }
  /** Begins a new boot; what is not acknowledged of the earlier ones is still to be sent. */
  reboot(): void
  /** Boots that the gateway was not yet told the end of. */
  openBoots(): number
}

/** Its events carry their own number as value, so that a row can be held against its name. */
export function openLoadSource(options: {
  readonly hub: string
  readonly generation: number
  /** Share of events that are no events. */
  readonly malformed?: number
  /** A field `level` that Hearth has no column for: its own number, or a word. None unless given. */
  readonly level?: 'number' | 'word'
  readonly clock: Clock
  readonly random: Random
}): LoadSource {
  const { hub, generation, malformed = 0, level, clock, random } = options
  const firmware = level === 'word' ? '2.0.0' : '1.0.0'
  let counter = 0
  let connects = 0
  let running = begin()
  /** By stream: oldest run first. */
  const accounts = new Map<HubStream, Account[]>(HUB_STREAMS.map((stream) => [stream, []]))

  function begin(): Run {
    counter++
    connects = 0
    const boot = formatBoot({ generation, counter, random: randomHex(random, 4) })
    return { boot, began_ms: clock.monotonic(), wall: clock.now() }
  }

  const m = () => Math.round((clock.monotonic() - running.began_ms) * 1000) / 1000
  const accountsOf = (stream: HubStream) => accounts.get(stream) ?? []

  function current(stream: HubStream): Account {
    const mine = accountsOf(stream)
    const found = mine.find(({ run }) => run === running)
    if (found) return found
    const made = { run: running, next: 0, held: new Set<LoadBatch>() }
    accounts.set(stream, [...mine, made])
    return made
  }

  function levelOf(seq: number) {
    return level === undefined ? {} : { level: level === 'word' ? `L${seq}` : seq / 8 }
  }

  function lineOf(stream: HubStream, seq: number): string {
    if (malformed > 0 && random.float() < malformed) return `{"kind":"reading","m":${seq}`
    if (stream === 'control') {
      return JSON.stringify({ m: m(), kind: 'health', uptime_ms: Math.round(m()), queue: seq, rssi_dbm: -50 })
    }
    const device = `sensor-${seq % 7}`
    return JSON.stringify({
      m: m(),
      kind: 'reading',
      device,
      attribute: 'number',
      value: seq,
      unit: 'count',
      ...levelOf(seq),
    })
  }

  return {
    hub,
    epoch: () => `${generation}.${counter}.${++connects}`,
    form(stream, events) {
      const account = current(stream)
      const first = account.next
      const lines = Array.from({ length: events }, (_, i) => `${lineOf(stream, first + i)}\n`).join('')
      const batch = { boot: account.run.boot, stream, first, count: events, lines: Buffer.from(lines), account }
      account.next += events
      account.held.add(batch)
      return batch
    },
    transmit(batch) {
      const { account, stream } = batch
      const all = accountsOf(stream)
      const older = all.slice(0, all.indexOf(account))
      const closing = older.filter(({ held }) => held.size === 0)
      const header: BatchHeader = {
        ...{ hearth: PROTOCOL_VERSION, boot: batch.boot, stream, first: batch.first, count: batch.count },
        ...{ next: account.next, acked: ackedOf(account), wall: account.run.wall, firmware, agent: 'load' },
        ...(account.run === running ? { now: m() } : {}),
        ...{ dropped: [], crc: eventsCrc(batch.lines) },
        previous: older.map((one) => ({
          ...{ boot: one.run.boot, next: one.next, acked: ackedOf(one), dropped: [], held: one.held.size > 0 },
        })),
      }
      return {
        bytes: pack(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), batch.lines]), 'zstd'),
        acknowledged() {
          account.held.delete(batch)
          const left = accountsOf(stream).filter((one) => !closing.includes(one))
          accounts.set(stream, left)
        },
      }
    },
    reboot() {
      running = begin()
    },
    openBoots: () => Math.max(...HUB_STREAMS.map((stream) => accountsOf(stream).length)),
  }
}

/** Every number below it was acknowledged. */
function ackedOf({ held, next }: Account): number {
  return Math.min(next, ...[...held].filter(({ count }) => count > 0).map(({ first }) => first))
}
