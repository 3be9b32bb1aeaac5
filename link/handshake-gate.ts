import type { Socket } from 'node:net'
import type { Clock } from '../contract/clock.ts'
import { TURN_WAIT_MAX_MS } from './limits.ts'

/** A turn that takes longer than this makes commands wait. */
const TURN_MS = 6
/** Handshakes at work: at first, and at least, however long turns take. */
const WINDOW_FIRST = 16
const WINDOW_MIN = 4
/** One that is not over after this waits for its peer, who may be silent for good: its place in the window is another's. */
const SLOW_MS = 1_000
const SWEEP_MS = 500
/** … closes so many at once, since each costs a tenth of a millisecond and more, and goes on soon where more are overdue. */
const SWEEP_MAX = 20
const SWEEP_AGAIN_MS = 20
/** … that begin in one turn. */
const BEGUN_MAX = 2

/**
 * Bounds the TLS handshakes at work: a CONNACK comes only after the CPU that it should save, so a storm is held at
 * accept. Sockets past the bound wait unread, first come first served. Past the second bound they are closed at once, and
 * after a time in any case: else, when all wait for longer than peers do, each that is served has just been given up.
 *
 * Each handshake is a millisecond or two of the event loop, and those who are connected are served between them. How
 * many may be at work follows from how long turns of the loop take meanwhile, as a congestion window does: each that is
 * over makes it wider by one where half of it is used (RFC 7661), and each long turn halves it. Far peers that keep us
 * waiting so find room for many, and silent ones make none.
 */
export function handshakeGate(options: {
  readonly clock: Clock
  readonly atWork_max: number
  readonly waiting_max: number
  readonly timeout_ms: number
  /** So many were closed that had no turn: told once for all, since they are many at once. */
  readonly turnedAway: (count: number, reason: string) => void
  /** Begins the handshake; calls `done` once, when it is over either way. */
  readonly begin: (socket: Socket, done: () => void) => void
}): { admit(socket: Socket): void; close(): void; readonly waiting: number } {
  const { clock, atWork_max } = options
  /** Since when, on the monotonic clock; the first came first. */
  const waiting = new Map<Socket, number>()
  /** Waited for too long, and to be closed: none of them is begun any more. */
  const overdue: Socket[] = []
  let cancelSweep: (() => void) | undefined
  let all = 0
  /** … of which these are not slow. */
  let atWork = 0
  let window = Math.min(WINDOW_FIRST, atWork_max)
  let begun = 0
  /** Closed for want of room, and not told yet. */
  let crowdedOut = 0

  const mayBegin = () => atWork < window && all < atWork_max && begun < BEGUN_MAX

  /** Each turn of the event loop in which some began: it polls without waiting until the immediate runs. */
  function watchTurn() {
    const from_ms = clock.monotonic()
    setImmediate(() => {
      if (clock.monotonic() - from_ms > TURN_MS) window = Math.max(WINDOW_MIN, Math.floor(window / 2))
      begun = 0
      next()
    })
  }

  function begin(socket: Socket) {
    all++
    atWork++
    if (begun++ === 0) watchTurn()
    let over = false
    let isSlow = false
    const cancelSlow = clock.timer(SLOW_MS, () => {
      isSlow = true
      atWork--
      next()
    })
    const done = () => {
      if (over) return
      over = true
      cancel()
      cancelSlow()
      socket.off('close', done)
      all--
      if (!isSlow) {
        if (atWork * 2 >= window) window = Math.min(atWork_max, window + 1)
        atWork--
      }
      next()
    }
    const cancel = clock.timer(options.timeout_ms, () => {
      socket.destroy()
      done()
    })
    socket.once('close', done)
    options.begin(socket, done)
  }

  function next() {
    for (const socket of waiting.keys()) {
      if (!mayBegin()) return
      waiting.delete(socket)
      begin(socket)
    }
  }

  function sweep() {
    const until_ms = clock.monotonic() - TURN_WAIT_MAX_MS
    const known = overdue.length
    for (const [socket, since_ms] of waiting) {
      if (since_ms > until_ms) break
      waiting.delete(socket)
      overdue.push(socket)
    }
    const late = overdue.length - known
    if (late > 0) options.turnedAway(late, `no turn for a TLS handshake within ${TURN_WAIT_MAX_MS / 1000} s`)
    for (const socket of overdue.splice(0, SWEEP_MAX)) socket.destroy()
    if (crowdedOut > 0) options.turnedAway(crowdedOut, `${options.waiting_max} wait for a TLS handshake already`)
    crowdedOut = 0
    const delay_ms = overdue.length > 0 ? SWEEP_AGAIN_MS : SWEEP_MS
    cancelSweep = waiting.size + overdue.length > 0 ? clock.timer(delay_ms, sweep) : undefined
  }

  return {
    admit(socket) {
      // Whatever goes wrong with the socket before TLS owns it is the peer's leaving.
      socket.on('error', () => socket.destroy())
      if (waiting.size === 0 && mayBegin()) {
        begin(socket)
      } else if (waiting.size < options.waiting_max) {
        waiting.set(socket, clock.monotonic())
        cancelSweep ??= clock.timer(SWEEP_MS, sweep)
        socket.once('close', () => waiting.delete(socket))
      } else {
        socket.destroy()
        crowdedOut++ // the next sweep of those who wait tells it
      }
    },
    close() {
      cancelSweep?.()
      for (const socket of [...waiting.keys(), ...overdue]) socket.destroy()
    },
    get waiting() {
      return waiting.size
    },
  }
}
