import type { Server } from 'node:net'
import { authorityOf } from '../contract/host.ts'
import { Problem } from '../contract/problem.ts'
import { takenText, type WantedPort } from './wanted-ports.ts'

/** Resolves with its `http://host:port` once it listens. Raises `unavailable` when the port cannot be had. */
export async function listenAt(server: Server, at: WantedPort): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const isTaken = 'code' in cause && cause.code === 'EADDRINUSE'
      const why = isTaken ? takenText([at]) : `${at.host}:${at.port} (${at.key}): ${cause.message}`
      reject(new Problem('unavailable', `cannot listen for health and metrics: ${why}`, { cause }))
    })
    server.listen({ host: at.host, port: at.port }, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : at.port
  return `http://${authorityOf(at.host, port)}`
}
