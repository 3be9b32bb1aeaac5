import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { machineClock as clock } from '../cli/machine.ts'
import { openLive } from './live.ts'

test('a relay that is not there yet is no reason to warn', async () => {
  let live: ReturnType<typeof openLive> | undefined
  const told = await new Promise<readonly unknown[]>((resolve) => {
    const relay = { url: 'http://127.0.0.1:1', token: 'hearth_token' }
    live = openLive({ relay, clock, note: (...words) => resolve(words) })
  })
  live?.close()
  expect(told).toEqual([expect.stringContaining('is not open yet: '), 'info'])
})

test('a hub that comes or goes is told with its session, so that a late end of an old one is known as such', async () => {
  const relay = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(relay, 'listening')
  const port = (address: AddressInfo | string | null) => (typeof address === 'object' ? address?.port : undefined)
  const connected = once(relay, 'connection')
  const url = `http://127.0.0.1:${port(relay.address())}`
  const live = openLive({ relay: { url, token: 'hearth_token' }, clock, note: () => undefined })
  const pages = createServer((_request, response) => live.listen({ app: 'person', scopes: ['observe'] }, response))
  try {
    const [socket] = (await connected) as [WebSocket]
    socket.send(JSON.stringify({ type: 'hello', now: 0, mono: 0 }))
    await once(pages.listen(0, '127.0.0.1'), 'listening')
    const page = await fetch(`http://127.0.0.1:${port(pages.address())}`)
    const event = { type: 'connection', hub: 'demo-01', stage: 'disconnected', epoch: '1.42.7', at: 0 }
    socket.send(JSON.stringify({ ...event, reason: 'keep-alive timeout' }))
    let text = ''
    for await (const chunk of page.body ?? []) {
      text += Buffer.from(chunk).toString('utf8')
      if (text.includes('"connection"')) break
    }
    const [line] = text.split('\n').filter((one) => one.includes('"connection"'))
    expect(JSON.parse(line?.replace('data: ', '') ?? '')).toEqual({
      ...{ type: 'connection', hub: 'demo-01', connected: false, epoch: '1.42.7', reason: 'keep-alive timeout' },
    })
  } finally {
    live.close()
    pages.close()
    pages.closeAllConnections()
    for (const socket of relay.clients) socket.terminate()
    relay.close()
  }
})
