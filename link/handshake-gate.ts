import type { Socket } from 'node:net'
import type { Clock } from '../contract/clock.ts'
import { TURN_WAIT_MAX_MS } from './limits.ts'

/** A turn that takes longer than this makes commands wait. */
const TURN_MS = 6
/** Handshakes at work: at first, and however long turns take. */
const WINDOW_FIRST = 16
const WINDOW_MIN = 4
/** One that is not over after this waits for its peer, who may be silent for good: its place in the window is another's. */
const SLOW_MS = 1_000
const SWEEP_MS = 500
/** … that begin in one turn. */
const BEGUN_MAX = 2

/**
 * Bounds the TLS handshakes at work: a CONNACK comes only after the CPU that it should save, so a storm is held at
 * accept. Sockets past the bound wait unread, first come first served. Past the second bound they are closed at once, and
 * after a time in any case: else, when all wait for longer than peers do, each that is served has just been given up.
 *
 * Each handshake is a millisecond or two of the event loop, and those who are connected are served between them. How
 * many may be at work follows from how long turns of the loop take meanwhile, as a congestion window does (additive
 * increase, multiplicative decrease: Chiu and Jain, 1989): far peers that keep us waiting leave room for many.
 */
export function handshakeGate(options: {
  readonly clock: Clock
  readonly atWork_max: number
  readonly waiting_max: number
  readonly timeout_ms: number
  /** Begins the handshake; calls `done` once, when it is over either way. */
  readonly begin: (socket: Socket, done: () => void) => void
}): { admit(socket: Socket): void; close(): void; readonly waiting: number } {
  const { clock, atWork_max } = options
  /** Since when, on the monotonic clock; the first came first. */
  const waiting = new Map<Socket, number>()
  let cancelSweep: (() => void) | undefined
  let all = 0
  /** … of which these are not slow. */
  let atWork = 0
  let window = Math.min(WINDOW_FIRST, atWork_max)
  let begun = 0

  const mayBegin = () => atWork < window && all < atWork_max && begun < BEGUN_MAX

  /** Each turn of the event loop in which some began: it polls without waiting until the immediate runs. */
  function watchTurn() {
    const from_ms = clock.monotonic()
    setImmediate(() => {
      const isLong = clock.monotonic() - from_ms > TURN_MS
      window = isLong ? Math.max(WINDOW_MIN, Math.floor(window / 2)) : Math.min(atWork_max, window + 1)
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
      if (!isSlow) atWork--
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
    for (const [socket, since_ms] of waiting) {
      if (since_ms > until_ms) break
      waiting.delete(socket)
      socket.destroy()
    }
    cancelSweep = waiting.size > 0 ? clock.timer(SWEEP_MS, sweep) : undefined
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
      } else socket.destroy()
    },
    close() {
      cancelSweep?.()
      for (const socket of waiting.keys()) socket.destroy()
    },
    get waiting() {
      return waiting.size
    },
  }
}
