import type { Socket } from 'node:net'
import type { Clock } from '../contract/clock.ts'

/**
 * Bounds the TLS handshakes at work: a CONNACK comes only after the CPU that it should save, so a storm is held at
 * accept. Sockets past the bound wait unread, first come first served; past the second bound they are closed at once.
 */
export function handshakeGate(options: {
  readonly clock: Clock
  readonly atWork_max: number
  readonly waiting_max: number
  readonly timeout_ms: number
  /** Begins the handshake; calls `done` once, when it is over either way. */
  readonly begin: (socket: Socket, done: () => void) => void
}): { admit(socket: Socket): void; close(): void; readonly waiting: number } {
  const waiting = new Set<Socket>()
  let atWork = 0

  function begin(socket: Socket) {
    atWork++
    let over = false
    const done = () => {
      if (over) return
      over = true
      cancel()
      socket.off('close', done)
      atWork--
      next()
    }
    const cancel = options.clock.timer(options.timeout_ms, () => {
      socket.destroy()
      done()
    })
    socket.once('close', done)
    options.begin(socket, done)
  }

  function next() {
    for (const socket of waiting) {
      if (atWork >= options.atWork_max) return
      waiting.delete(socket)
      begin(socket)
    }
  }

  return {
    admit(socket) {
      // Whatever goes wrong with the socket before TLS owns it is the peer's leaving.
      socket.on('error', () => socket.destroy())
      if (atWork < options.atWork_max) {
        begin(socket)
      } else if (waiting.size < options.waiting_max) {
        waiting.add(socket)
        socket.once('close', () => waiting.delete(socket))
      } else socket.destroy()
    },
    close() {
      for (const socket of waiting) socket.destroy()
    },
    get waiting() {
      return waiting.size
    },
  }
}
