import { connect, createServer } from 'node:net'

/** A port, or the path of a socket: those are reached from every network namespace. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

export type Forward = { readonly port: number; [Symbol.asyncDispose](): Promise<void> }

/** Whoever connects to `near` speaks to `far`; port 0 is any free one. */
export async function forward(near: Address, far: Address): Promise<Forward> {
  const open = new Set<{ destroy(): void }>()
  const server = createServer({ allowHalfOpen: true }, (one) => {
    const other = connect({ ...far, allowHalfOpen: true })
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      open.add(from)
      from.on('error', () => to.destroy()).once('close', () => open.delete(from))
      from.once('close', (failed) => failed && to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(near, resolve))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
