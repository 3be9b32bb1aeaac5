/**
 * Health and figures of a process that is seldom asked, as a hub in a home: what answers is loaded by the first who asks. HTTP and
 * Prometheus are a fifth of what an agent would hold in memory otherwise (docs/decisions/121).
 */
import type { Server as HttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { OPERATIONS_IDLE_MS } from './limits.ts'
import { listenAt } from './listen-at.ts'
import type { Operations } from './operations.ts'
import type { WantedPort } from './wanted-ports.ts'

export type OnDemandOptions = {
  readonly at: WantedPort
  /** A server that does not listen: connections are handed to it. */
  readonly load: () => Promise<HttpServer>
  /** It could not be loaded; who asked is cut off, and the next one tries again. */
  readonly fault: (error: unknown) => void
}

/** Raises `unavailable` when the port cannot be had. */
export async function listenOnDemand({ at, load, fault }: OnDemandOptions): Promise<Operations> {
  const sockets = new Set<Socket>()
  let loading: Promise<HttpServer> | undefined
  const loaded = async () => {
    loading ??= load()
    const http = await loading
    // Its own patience begins with listening, which it does not.
    http.timeout = OPERATIONS_IDLE_MS
    return http
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    loaded().then(
      (http) => void http.emit('connection', socket),
      (error: unknown) => {
        loading = undefined
        socket.destroy()
        fault(error)
      },
    )
  })
  const url = await listenAt(server, at)
  return {
    url,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
