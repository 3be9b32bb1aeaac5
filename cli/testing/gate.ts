import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where processes wait, until a test lets those of a name go on: a GET of `/<name>` is answered then. */
export type Gate = {
  readonly port: number
  open(name: string): void
  /** For whoever comes from now on. */
  close(name: string): void
  [Symbol.asyncDispose](): Promise<void>
}

/** At 127.0.0.1; open for every name. */
export async function openGate(): Promise<Gate> {
  const closed = new Set<string>()
  const waiting = new Map<ServerResponse, string>()
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? ''
    if (!closed.has(name)) return void response.end()
    waiting.set(
      response.once('close', () => waiting.delete(response)),
      name,
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    open(name) {
      closed.delete(name)
      for (const [response, of] of waiting) if (of === name) response.end()
    },
    close: (name) => void closed.add(name),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
