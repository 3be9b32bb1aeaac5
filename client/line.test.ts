import { expect, test } from 'vitest'
import type { LiveRequest } from '../contract/live-message.ts'
import { ManualClock } from '../sim/clock.ts'
import { PONG_MAX_MS, QUIET_AFTER_COMMAND_MS, QUIET_MS } from './limits.ts'
import { openLine } from './line.ts'
import type { WebSocketLike } from './platform.ts'

const COMMAND: LiveRequest = { type: 'command', ref: '1', hub: 'h', command: { device: 'd', set: { on: true } } }

/** A socket in hand: what is said into it, and what the other side says. */
function opened() {
  const clock = new ManualClock()
  const said: string[] = []
  const ended: string[] = []
  class Socket implements WebSocketLike {
    static last: Socket
    onopen: WebSocketLike['onopen'] = null
    onmessage: WebSocketLike['onmessage'] = null
    onerror: WebSocketLike['onerror'] = null
    onclose: WebSocketLike['onclose'] = null
    constructor() {
      Socket.last = this
    }
    send(text: string) {
      said.push(JSON.parse(text).type)
    }
    close() {}
  }
  const line = openLine(
    { WebSocket: Socket, url: 'ws://relay.example', token: 't', clock },
    { opened: () => {}, heard: () => {}, ended: (reason) => ended.push(reason) },
  )
  const hear = (message: object) => Socket.last.onmessage?.({ data: JSON.stringify(message) } as never)
  hear({ type: 'hello', now: 0, mono: 0 })
  return { clock, said, ended, line, hear }
}

test('a line that went dead is found out soon after a command, in time to send it again within its deadline', async () => {
  const { clock, said, ended, line } = opened()
  line.send(COMMAND)
  await clock.advance(QUIET_AFTER_COMMAND_MS)
  expect(said).toEqual(['command', 'ping'])
  await clock.advance(PONG_MAX_MS)
  expect(ended).toEqual([`no sign of life for ${PONG_MAX_MS} ms`])
  expect(QUIET_AFTER_COMMAND_MS + PONG_MAX_MS).toBeLessThanOrEqual(2_500)
})

test('more commands do not put that off', async () => {
  const { clock, ended, line } = opened()
  for (let i = 0; i < 10; i++) {
    line.send(COMMAND)
    await clock.advance((QUIET_AFTER_COMMAND_MS + PONG_MAX_MS) / 10)
  }
  expect(ended).toHaveLength(1)
})

test('each command is looked after, though an answer to an earlier one came meanwhile', async () => {
  const { clock, said, line, hear } = opened()
  line.send(COMMAND)
  await clock.advance(300)
  hear({ type: 'pong' })
  await clock.advance(100)
  line.send(COMMAND)
  await clock.advance(QUIET_AFTER_COMMAND_MS - 100)
  expect(said).toEqual(['command', 'command'])
  await clock.advance(100)
  expect(said).toEqual(['command', 'command', 'ping'])
})

test('one that answers is asked after a while of silence, and goes on', async () => {
  const { clock, said, ended, line, hear } = opened()
  line.send(COMMAND)
  await clock.advance(100)
  hear({ type: 'pong' })
  await clock.advance(QUIET_AFTER_COMMAND_MS + QUIET_MS)
  expect(said).toEqual(['command', 'ping'])
  hear({ type: 'pong' })
  await clock.advance(PONG_MAX_MS)
  expect(ended).toEqual([])
})
