/** A TCP proxy on this machine, for servers of any protocol: it can cut, delay, swallow and refuse. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'

export type TcpProxy = {
  readonly port: number
  /** Each piece of data waits this long, in both directions. */
  delay_ms: number
  /** A link: each piece is under way so long, as many at once as come, and none overtakes another. Asked for each. */
  travel_ms: ((answers: boolean) => number) | undefined
  /** Nothing passes any more, and nothing is closed: what a lost route looks like. */
  swallow: boolean
  /** What the server answers is swallowed: it does what it is asked, and nobody hears of it. */
  deaf: boolean
  /** New connections are closed at once. */
  refuse: boolean
  /** Ends all connections that there are. */
  cut(): void
  [Symbol.asyncDispose](): Promise<void>
}

/** A proxy before `127.0.0.1:<port>`, on a free port unless one is given. */
export async function startTcpProxy(target: { readonly port: number }, port = 0): Promise<TcpProxy> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    if (proxy.refuse) {
      near.destroy()
      return
    }
    const far = connect(target.port, '127.0.0.1')
    pass(near, far, false).catch(() => near.destroy())
    pass(far, near, true).catch(() => far.destroy())
  })

  async function pass(from: Socket, to: Socket, answers: boolean): Promise<void> {
    open.add(from)
    from
      .on('error', () => to.destroy())
      .on('close', () => {
        open.delete(from)
        to.destroy()
      })
    let underWay = Promise.resolve()
    const arrive = async (before: Promise<void>, data: Buffer, travel_ms: number) => {
      await Promise.all([before, after(travel_ms)])
      to.write(data)
    }
    for await (const data of from) {
      if (proxy.swallow || (answers && proxy.deaf)) continue
      if (proxy.delay_ms > 0) await after(proxy.delay_ms)
      if (proxy.travel_ms) underWay = arrive(underWay, data, proxy.travel_ms(answers))
      else to.write(data)
    }
    await underWay
    to.end()
  }

  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  const proxy: TcpProxy = {
    port: address.port,
    delay_ms: 0,
    travel_ms: undefined,
    swallow: false,
    deaf: false,
    refuse: false,
    cut() {
      for (const socket of open) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      proxy.cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
