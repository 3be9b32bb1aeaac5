/** Connections to other relays: one to each, made when it is first needed, kept, and made again when it is lost. */
import tls from 'node:tls'
import type { Clock, Random } from '../contract/clock.ts'
import { hostOf } from '../contract/host.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { backOff_ms } from '../link/back-off.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import {
  CLUSTER_BACK_OFF,
  PEER_ANSWER_MAX_MS,
  PEER_BUFFER_MAX_BYTES,
  PEER_CONNECT_MAX_MS,
  PEER_KEPT_MS,
  PEER_OPEN_MAX,
  PEER_PING_MS,
  PEER_SILENT_MAX_MS,
  WANTED_HUBS_AT_ONCE,
} from './limits.ts'
import type { LiveEvent, Wanted } from './live-event.ts'
import {
  type FrameWriter,
  frameOf,
  frameReader,
  frameWriter,
  PEER_PROTOCOL,
  PEER_VERSION,
  problemOf,
  type Said,
  said,
  saidFirst,
  understood,
} from './peer-frame.ts'
import type { PeerService, Peers, PeerViews } from './peers.ts'

export type PeerLinkOptions = {
  /** This relay's name. */
  readonly relay: string
  /** Read at each attempt: another certificate may take its place. */
  readonly tls: ClientTls
  readonly clock: Clock
  readonly random: Random
  /** A connection could not be made, or was lost: told of the first of several. */
  readonly lost?: (address: string, reason: string) => void
  readonly found?: (address: string, relay: string) => void
  /** In place of PEER_VERSION: for tests. */
  readonly version?: number
}

export type PeerLinks = Peers &
  PeerViews & {
    /** Requests that were sent. */
    readonly sent: number
    /** … and those that ended without an answer of the other relay. */
    readonly failed: number
    close(): void
  }

type Answer = Extract<Said, { readonly n: number }>
type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (problem: Problem) => void }

/** Requests by the correlation number `n`, which is never used again on a link. */
type Link = {
  request(body: object, answer_max_ms: number): Promise<Answer>
  /** Undefined: nothing any more. */
  watch(watch: Watch | undefined): void
  close(): void
}

type Watch = { readonly wanted: Wanted; readonly listener: (event: LiveEvent) => void }

/** Nothing is connected yet. */
export function openPeerLinks(options: PeerLinkOptions): PeerLinks {
  const links = new Map<string, Link>()
  const counts = { sent: 0, failed: 0 }
  let closed = false

  const linkTo = (address: string): Link => {
    if (closed) throw new Problem('closed', 'this relay is shutting down')
    let link = links.get(address)
    if (!link) {
      link = openLink(address, options, counts, () => links.delete(address))
      links.set(address, link)
    }
    return link
  }

  const at = (address: string): PeerService => ({
    async issue(command, answer) {
      // An answer takes as long as the command may.
      const most_ms = (answer === 'settled' ? command.deadline_ms : 0) + PEER_ANSWER_MAX_MS
      const told = await linkTo(address).request({ issue: command, answer }, most_ms)
      if ('report' in told) return { away: false, report: told.report }
      if ('away' in told) return { away: true }
      throw unexpected(address)
    },
    async find(id) {
      const told = await linkTo(address).request({ find: id }, PEER_ANSWER_MAX_MS)
      if ('found' in told) return told.found ?? undefined
      throw unexpected(address)
    },
  })

  return {
    at,
    watch(address, wanted, listener) {
      const mine = linkTo(address)
      mine.watch({ wanted, listener })
      return () => mine.watch(undefined)
    },
    async hubs(address, after) {
      const told = await linkTo(address).request({ hubs_after: after }, PEER_ANSWER_MAX_MS)
      if ('hubs' in told) return told.hubs
      throw unexpected(address)
    },
    get sent() {
      return counts.sent
    },
    get failed() {
      return counts.failed
    },
    close() {
      closed = true
      for (const link of links.values()) link.close()
    },
  }
}

function unexpected(address: string): Problem {
  return new Problem('unavailable', `the relay at ${address} answered something else than it was asked`, {
    outcome: 'unknown',
  })
}

/** `forget` is called when nothing was sent for so long that it is not worth a place. */
function openLink(
  address: string,
  options: PeerLinkOptions,
  counts: { sent: number; failed: number },
  forget: () => void,
): Link {
  const { clock, random } = options
  const waiting = new Map<number, Waiting>()
  let wire: { readonly socket: tls.TLSSocket; readonly writer: FrameWriter } | undefined
  let attempt: Promise<void> | undefined
  let socket: tls.TLSSocket | undefined
  let cancelRetry: (() => void) | undefined
  let failures = 0
  let failed: { readonly reason: string; readonly until_ms: number } | undefined
  let used_ms = clock.monotonic()
  let next = 0
  let closed = false
  let told = false
  let leaving = false
  let open_requests = 0
  let watching: Watch | undefined

  const away = (reason: string, outcome: 'did-not-happen' | 'unknown' = 'did-not-happen') =>
    new Problem('unavailable', `the relay at ${address} cannot be reached: ${reason}`, { outcome })

  /** After a connection or an attempt at one. What waits for an answer may have been done. */
  function over(reason: string): void {
    wire = undefined
    attempt = undefined
    leaving = false
    failures++
    const wait_ms = backOff_ms(failures, random.float(), CLUSTER_BACK_OFF)
    failed = { reason, until_ms: clock.monotonic() + wait_ms }
    for (const one of [...waiting.values()]) one.reject(away(reason, 'unknown'))
    if (closed) return
    if (!told) options.lost?.(address, reason)
    told = true
    cancelRetry?.()
    cancelRetry = clock.timer(wait_ms, () => {
      if (!watching && clock.monotonic() - used_ms > PEER_KEPT_MS) forget()
      else connect().catch(() => undefined) // `over` has told of it
    })
  }

  /** Resolves when frames can be sent; raises `unavailable`. */
  function connect(): Promise<void> {
    attempt ??= new Promise((resolve, reject) => {
      const ended = (reason: string) => {
        reject(away(reason))
        over(reason)
      }
      const on: Heard = {
        greeted(mine, writer, relay) {
          wire = { socket: mine, writer }
          failed = undefined
          failures = 0
          told = false
          options.found?.(address, relay)
          if (watching) for (const frame of watchFrames(watching.wanted)) writer.send(frame)
          resolve()
        },
        answer(answer) {
          waiting.get(answer.n)?.resolve(answer)
          if (leaving && waiting.size === 0) socket?.end()
        },
        event: (event) => watching?.listener(event),
        leaving() {
          leaving = true
          wire = undefined
          if (waiting.size === 0) socket?.end()
        },
        ended,
      }
      try {
        socket = open(address, options, on)
      } catch (error) {
        // An address that is none; told later, as every end of an attempt is.
        queueMicrotask(() => ended(messageOf(error)))
      }
    })
    return attempt
  }

  async function send(body: object, answer_max_ms: number): Promise<Answer> {
    // From here on the way is counted, a connection that is made first too.
    const stamp = clock.monotonic()
    used_ms = stamp
    if (closed) throw new Problem('closed', 'this relay is shutting down')
    if (leaving) throw away('it is shutting down')
    if (!wire) {
      // Between two attempts it is not waited for.
      if (!attempt && failed && clock.monotonic() < failed.until_ms) throw away(failed.reason)
      cancelRetry?.()
      await connect()
    }
    if (!wire?.socket.writable) throw away('the connection ended')
    if (wire.writer.waiting() > PEER_BUFFER_MAX_BYTES)
      throw new Problem('limit', `the relay at ${address} takes no more for now; send it again later`)
    const n = next++
    wire.writer.send(frameOf({ n, stamp, ...body }))
    counts.sent++
    return await new Promise<Answer>((resolve, reject) => {
      const settle = () => {
        waiting.delete(n)
        cancel()
      }
      const fail = (problem: Problem) => {
        settle()
        counts.failed++
        reject(problem)
      }
      const cancel = clock.timer(answer_max_ms, () => fail(away('no answer in time', 'unknown')))
      waiting.set(n, {
        resolve(answer) {
          settle()
          if ('problem' in answer) reject(problemOf(answer.problem))
          else resolve(answer)
        },
        reject: fail,
      })
    })
  }

  return {
    async request(body, answer_max_ms) {
      // Those that wait for the connection too.
      if (open_requests >= PEER_OPEN_MAX)
        throw new Problem('limit', `${open_requests} requests wait for the relay at ${address}; send it again later`)
      open_requests++
      try {
        return await send(body, answer_max_ms)
      } finally {
        open_requests--
      }
    },
    watch(watch) {
      watching = watch
      if (wire) for (const frame of watchFrames(watch?.wanted ?? new Set())) wire.writer.send(frame)
      // Where one is being made, or waited for, it is told then.
      else if (watch && !attempt && !failed && !closed) connect().catch(() => undefined)
    },
    close() {
      closed = true
      cancelRetry?.()
      socket?.destroy()
    },
  }
}

function watchFrames(wanted: Wanted): readonly Buffer[] {
  if (wanted === 'all') return [frameOf({ watch: wanted })]
  const hubs = [...wanted]
  const frames: Buffer[] = []
  for (let i = 0; i === 0 || i < hubs.length; i += WANTED_HUBS_AT_ONCE) {
    const more = i + WANTED_HUBS_AT_ONCE < hubs.length
    frames.push(frameOf({ watch: hubs.slice(i, i + WANTED_HUBS_AT_ONCE), ...(more && { more }) }))
  }
  return frames
}

/** What one connection tells. */
type Heard = {
  greeted(socket: tls.TLSSocket, writer: FrameWriter, relay: string): void
  answer(answer: Answer): void
  event(event: LiveEvent): void
  leaving(): void
  ended(reason: string): void
}

/** One connection: handshake, first frames, then answers until it ends. `ended` is called once, whatever happened. */
function open(
  address: string,
  { relay, clock, tls: files, version = PEER_VERSION }: PeerLinkOptions,
  on: Heard,
): tls.TLSSocket {
  const url = new URL(`tls://${address}`)
  const socket = tls.connect({
    ...{ key: files.key, cert: files.cert, ca: files.ca, host: hostOf(url), port: Number(url.port) },
    ...{ minVersion: 'TLSv1.3', ALPNProtocols: [PEER_PROTOCOL] },
  })
  const read = frameReader()
  const writer = frameWriter(socket)
  let reason = 'the connection ended'
  let greeted = false
  let unanswered = 0
  let cancel = clock.timer(PEER_CONNECT_MAX_MS, () => fail('no answer in time'))

  function fail(why: string): void {
    reason = why
    socket.destroy()
  }

  /** Asks for a sign of life. Counted, not timed: a process that stood still itself has not read yet what came meanwhile. */
  function watch(): void {
    if (unanswered++ * PEER_PING_MS >= PEER_SILENT_MAX_MS) {
      fail(`nothing came for ${PEER_SILENT_MAX_MS / 1000} s`)
      return
    }
    writer.send(frameOf({ ping: clock.monotonic() }))
    cancel = clock.timer(PEER_PING_MS, watch)
  }

  function greet(value: unknown): void {
    const first = understood(saidFirst, value)
    if ('refused' in first) throw new Problem('unavailable', first.refused)
    if (first.hearth_peer < version) {
      const text = `${first.relay} speaks version ${first.hearth_peer} between relays, this one version ${version}: update it`
      throw new Problem('unavailable', text)
    }
    greeted = true
    cancel()
    cancel = clock.timer(PEER_PING_MS, watch)
    on.greeted(socket, writer, first.relay)
  }

  socket.once('secureConnect', () => {
    // `tls.connect` passes no such option on to its socket.
    socket.setNoDelay(true)
    writer.send(frameOf({ hearth_peer: version, relay, stamp: clock.monotonic() }))
  })
  socket.on('data', (chunk: Buffer) => {
    unanswered = 0
    try {
      for (const value of read(chunk)) {
        if (!greeted) greet(value)
        else {
          const told = understood(said, value)
          if ('n' in told) on.answer(told)
          else if ('event' in told) on.event(told.event)
          else if ('leaving' in told) on.leaving()
        }
      }
    } catch (error) {
      if (!isProblem(error)) throw error
      fail(messageOf(error))
    }
  })
  socket.on('error', (error) => {
    reason = messageOf(error)
  })
  socket.on('end', () => socket.destroy())
  socket.once('close', () => {
    cancel()
    on.ended(reason)
  })
  return socket
}
