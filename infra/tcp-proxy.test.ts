import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

let echo: Server
let proxy: TcpProxy

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  proxy = await startTcpProxy({ port: (echo.address() as AddressInfo).port })
})
afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
  await new Promise((resolve) => echo.close(resolve))
})

const dial = async () => {
  const socket = connect(proxy.port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

test('passes what is said both ways, late where asked', async () => {
  proxy.delay_ms = 5
  const socket = await dial()
  socket.write('hello')
  expect(String((await once(socket, 'data'))[0])).toBe('hello')
  socket.destroy()
})

test('as a link none overtakes another, however short its own way', async () => {
  const travel = [40, 1, 20]
  let there = 0
  proxy.travel_ms = (answers) => (answers ? 0 : (travel[there++] ?? 0))
  const socket = await dial()
  socket.setNoDelay(true)
  let heard = ''
  socket.on('data', (data) => (heard += String(data)))
  for (const piece of ['a', 'b', 'c']) {
    socket.write(piece)
    while (there < 'abc'.indexOf(piece) + 1) await new Promise((resolve) => setImmediate(resolve))
  }
  while (heard.length < 3) await once(socket, 'data')
  expect(heard).toBe('abc')
  socket.destroy()
})

test('cuts connections, and refuses new ones', async () => {
  const socket = await dial()
  const closed = once(socket, 'close')
  socket.write('x')
  await once(socket, 'data')
  proxy.cut()
  await closed
  proxy.refuse = true
  await once(await dial(), 'close')
})

test('swallows what is said, and then passes again', async () => {
  const socket = await dial()
  proxy.swallow = true
  socket.write('lost')
  proxy.swallow = false
  const other = await dial()
  other.write('heard')
  expect(String((await once(other, 'data'))[0])).toBe('heard')
  socket.destroy()
  other.destroy()
})

test('loses what is answered, and nothing of what is asked', async () => {
  proxy.deaf = true
  const heard = new Promise<string>((resolve) => {
    echo.once('connection', (far: Socket) => far.once('data', (data) => resolve(String(data))))
  })
  const socket = await dial()
  socket.write('asked')
  let answers = ''
  socket.on('data', (data) => (answers += String(data)))
  expect(await heard).toBe('asked')
  const closed = once(socket, 'close')
  proxy.cut()
  await closed
  expect(answers).toBe('')
})
