import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { portNumber } from '../link/mqtt-endpoint.ts'
import { openRedis } from './redis.ts'

test('a client that is connected anew after the end, as BullMQ does whose reset the end overtook, stays ended', async () => {
  let taken = 0
  const silent = createServer((socket) => {
    taken++
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  try {
    const connection = await openRedis({ url: `redis://127.0.0.1:${portNumber(silent)}`, password: undefined })
    const other = connection.client.duplicate()
    const clients = [connection.client, other]
    await Promise.all(clients.map((client) => once(client, 'connect')))
    const ended = clients.map((client) => once(client, 'end'))
    connection.end()
    await Promise.all(ended)
    for (const client of clients) await expect(client.connect()).rejects.toThrow('this connection was ended')
    expect([taken, ...clients.map(({ status }) => status)]).toEqual([2, 'end', 'end'])
  } finally {
    silent.close()
  }
})
