import { connect, createServer } from 'node:net'

const FIRST_PORT = 20_000
const PORTS = 12_000

/** Does anybody listen on this port of 127.0.0.1? */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * So many ports of 127.0.0.1 that nothing listens on: below those that systems give to outgoing connections, so that a
 * server that was killed finds its port free again.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = []
  const [start = 0] = crypto.getRandomValues(new Uint16Array(1))
  for (let step = 0; found.length < count; step++) {
    const port = FIRST_PORT + ((start + step) % PORTS)
    if (await isFree(port)) found.push(port)
  }
  return found
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
