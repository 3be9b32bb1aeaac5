import { connect, createServer } from 'node:net'

const RANGE = { first: 12_000, count: 20_000 }

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
 * So many ports of 127.0.0.1 that nothing listens on. They are kept for this process as long as it lives, so that a
 * server that it stops or kills finds its port free again: they lie below those that systems give to outgoing
 * connections, and no other process gets them from here meanwhile. Rejects when the range has not so many.
 */
export async function freePorts(count: number, range = RANGE): Promise<readonly number[]> {
  const found: number[] = []
  const [start = 0] = crypto.getRandomValues(new Uint16Array(1))
  for (let step = 0; found.length < count; step++) {
    if (step === range.count) throw new Error(`fewer than ${count} free ports from ${range.first} on`)
    const port = range.first + ((start + step) % range.count)
    if ((await isKept(port)) && (await isFree(port))) found.push(port)
  }
  return found
}

/** A name of Linux's abstract namespace belongs to one process, and ends with it however it ends. */
function isKept(port: number): Promise<boolean> {
  return process.platform === 'linux' ? listensOn(`\0hearth-port-${port}`) : Promise.resolve(true)
}

function listensOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().unref()
    server.once('error', () => resolve(false))
    server.listen(path, () => resolve(true))
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
