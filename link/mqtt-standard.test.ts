/** The normative statements of MQTT that an endpoint keeps over a connection; mqtt-form.test.ts has those on bytes alone. */
import { afterAll, describe, expect, test } from 'vitest'
import {
  COMMAND,
  connectPacket,
  NONE,
  number32,
  PINGREQ,
  packet,
  properties,
  publish5,
  RESULT,
  subscribe5,
  text,
  word,
} from './mqtt-bytes.fixture.ts'
import { rawBench } from './mqtt-raw.fixture.ts'

const bench = await rawBench()
afterAll(() => bench[Symbol.asyncDispose]())

describe('PUBLISH', () => {
  test.each([5, 4] as const)(
    '[MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-3.4.2-1] [MQTT-4.3.2-4] [MQTT3-3.3.4-1] [MQTT3-2.3.1-6] [MQTT3-4.3.2-2] QoS 1 is answered by its packet id once it is taken, QoS 0 not at all, version %i',
    async (level) => {
      const client = await bench.connect({ level })
      const none = level === 5 ? [NONE] : []
      client.send(
        packet(0x30, RESULT, ...none, Buffer.from('zero')),
        packet(0x32, RESULT, word(0x1234), ...none, Buffer.from('one')),
        PINGREQ,
      )
      await client.until(3)
      expect(client.packets).toContainEqual(expect.objectContaining({ cmd: 'puback', messageId: 0x1234 }))
      expect(client.packets.filter(({ cmd }) => cmd === 'puback')).toHaveLength(1)
      expect(bench.heard.messages.slice(-2)).toEqual(['zero', 'one'])
    },
  )

  test('[MQTT-4.3.2-5] [MQTT3-4.3.2-2] a packet id that was answered is a new message, whatever its DUP says', async () => {
    const client = await bench.connect()
    client.send(publish5('first'))
    await client.until(2)
    client.send(packet(0x3a, RESULT, word(1), NONE, Buffer.from('second')))
    await client.until(3)
    expect(bench.heard.messages.slice(-2)).toEqual(['first', 'second'])
  })

  test.each([
    [
      '[MQTT-1.5.5-1] a length of more bytes than it needs',
      Buffer.concat([Buffer.from([0x30, 0x80 | (RESULT.length + 1), 0]), RESULT, NONE]),
      0x81,
    ],
    ['[MQTT-3.2.2-11] QoS 2', packet(0x34, RESULT, word(1), NONE), 0x9b],
    ['[MQTT-3.2.2-14] [MQTT-3.3.1-5] a message to be retained', packet(0x31, RESULT, NONE), 0x9a],
    ['[MQTT-3.3.2-2] [MQTT-4.7.0-1] a topic with wildcards', packet(0x30, text('h/+/result'), NONE), 0x90],
    ['[MQTT-4.7.3-1] an empty topic without an alias', packet(0x30, text(''), NONE), 0x82],
    [
      '[MQTT-3.2.2-17] [MQTT-3.3.2-9] an alias above the maximum',
      packet(0x30, RESULT, properties(0x23, word(9))),
      0x94,
    ],
    ['[MQTT-3.3.2-8] alias 0', packet(0x30, RESULT, properties(0x23, word(0))), 0x94],
    ['[MQTT-3.3.2-7] an alias of an earlier connection', packet(0x30, text(''), properties(0x23, word(1))), 0x82],
    ['[MQTT-3.6.2-1] PUBREL of no message', packet(0x62, word(1)), 0x82],
    ['[MQTT-3.5.2-1] PUBREC of no message', packet(0x50, word(1)), 0x82],
    ['[MQTT-4.12.0-7] AUTH without a method', packet(0xf0), 0x82],
    [
      '[MQTT-3.14.2-2] a session expiry that CONNECT did not have',
      packet(0xe0, 0, properties(0x11, number32(60))),
      0x82,
    ],
  ])('[MQTT-4.13.1-1] [MQTT-3.14.4-1] [MQTT-3.14.4-2] %s ends the connection', async (_about, bytes, code) => {
    const earlier = await bench.connect()
    await earlier.last(packet(0x30, RESULT, properties(0x23, word(1))), packet(0xe0))
    const client = await bench.connect()
    expect(await client.last(bytes, PINGREQ)).toMatchObject({ cmd: 'disconnect', reasonCode: code })
    expect(client.packets).toHaveLength(2)
    expect(client.packets[1]).not.toHaveProperty('properties.sessionExpiryInterval')
  })

  test.each([
    ['[MQTT3-3.3.5-2] another’s topic', packet(0x32, text('h/demo-02/result'), word(1))],
    ['[MQTT3-3.3.1-5] a message to be retained', packet(0x31, RESULT)],
    ['[MQTT3-3.3.2-2] [MQTT3-4.7.1-1] a topic with wildcards', packet(0x30, text('h/#'))],
    ['[MQTT3-4.7.3-1] an empty topic', packet(0x30, text(''))],
    ['[MQTT3-4.3.3-2] QoS 2', packet(0x34, RESULT, word(1))],
    ['[MQTT3-2.2.2-2] reserved flags', packet(0xc1)],
    ['[MQTT3-3.1.0-2] a second CONNECT', connectPacket({ level: 4 })],
    ['[MQTT3-1.5.3-1] text that is not UTF-8', packet(0x30, text(Buffer.from([0xff])))],
  ])('[MQTT3-4.8.0-1] %s closes the connection of 3.1.1, without a word', async (_about, bytes) => {
    const client = await bench.connect({ level: 4 })
    const connack = client.bytes()
    await client.last(bytes, PINGREQ)
    expect(client.bytes()).toEqual(connack)
  })

  test('[MQTT-3.3.2-12] [MQTT-3.2.2-18] every alias that is announced is taken', async () => {
    const client = await bench.connect()
    for (let alias = 1; alias <= 8; alias++) {
      client.send(
        packet(0x30, RESULT, properties(0x23, word(alias)), 0x61),
        packet(0x30, text(''), properties(0x23, word(alias)), 0x62),
      )
    }
    client.send(publish5('aliased'))
    await client.until(2)
    expect(bench.heard.messages.slice(-17)).toEqual([...Array.from({ length: 8 }, () => ['a', 'b']).flat(), 'aliased'])
  })

  test('[MQTT-4.4.0-2] another’s topic is answered 0x87, and the session goes on', async () => {
    const client = await bench.connect()
    client.send(packet(0x32, text('h/demo-02/result'), word(3), NONE), publish5('mine'))
    await client.until(3)
    expect(client.packets.slice(1)).toMatchObject([
      { messageId: 3, reasonCode: 0x87 },
      { messageId: 1, reasonCode: 0 },
    ])
  })
})

describe('PUBLISH of the server', () => {
  test.each([5, 4] as const)(
    '[MQTT-4.3.1-1] [MQTT-2.2.1-2] [MQTT-3.3.1-12] [MQTT-3.3.2-3] [MQTT-3.3.2-11] [MQTT-3.8.4-8] [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT3-4.3.1-1] [MQTT3-2.3.1-5] [MQTT3-3.3.1-9] [MQTT3-3.3.2-3] [MQTT3-3.8.4-6] is of QoS 0, by its topic, without DUP, RETAIN, id or alias, version %i',
    async (level) => {
      const client = await bench.connect({ level })
      client.send(packet(0x82, word(7), ...(level === 5 ? [NONE] : []), COMMAND, 1))
      await client.until(2)
      const before = client.bytes().length
      expect(bench.heard.session?.publish('h/demo-01/command', Buffer.from('on'))).toBe('sent')
      await client.until(3)
      const none = level === 5 ? [NONE] : []
      expect(client.bytes().subarray(before)).toEqual(packet(0x30, COMMAND, ...none, Buffer.from('on')))
    },
  )
})

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  const SHARED = text('$share/all/h/demo-01/command')
  test('[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-3.2.2-10] [MQTT-4.7.3-1] [MQTT-4.7.3-4] every filter gets its code, in order, under the packet’s id', async () => {
    const client = await bench.connect()
    client.send(
      packet(
        0x82,
        word(0x0102),
        NONE,
        COMMAND,
        2,
        text('h/demo-02/command'),
        0,
        text('h/+/command'),
        0,
        text('#'),
        0,
        SHARED,
        0,
        text(''),
        0,
        text('H/demo-01/command'),
        0,
        COMMAND,
        0x20,
        COMMAND,
        0,
      ),
    )
    await client.until(2)
    expect(client.packets[1]).toMatchObject({
      cmd: 'suback',
      messageId: 0x0102,
      granted: [0, 0x87, 0xa2, 0xa2, 0x9e, 0x8f, 0x87, 0, 0x97],
    })
  })

  test('[MQTT3-4.7.3-4] [MQTT3-4.7.3-1] [MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-2.3.1-7] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.8.3-2] [MQTT3-3.9.3-1] [MQTT3-3.9.3-2] and with 3.1.1 it is 0x80 that refuses', async () => {
    const client = await bench.connect({ level: 4 })
    client.send(
      packet(
        0x82,
        word(9),
        COMMAND,
        2,
        text('h/demo-02/command'),
        0,
        text('h/+/command'),
        1,
        text('H/demo-01/command'),
        0,
        text(''),
        0,
      ),
    )
    await client.until(2)
    expect(client.bytes().subarray(-9)).toEqual(Buffer.from([0x90, 7, 0, 9, 0, 0x80, 0x80, 0x80, 0x80]))
  })

  test('[MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT3-3.8.4-3] a filter that is subscribed again replaces itself: a message comes once', async () => {
    const client = await bench.connect()
    client.send(subscribe5, subscribe5)
    await client.until(3)
    bench.heard.session?.publish('h/demo-01/command', Buffer.from('once'))
    client.send(PINGREQ)
    await client.until(5)
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'suback', 'publish', 'pingresp'])
  })

  test.each([5, 4] as const)(
    '[MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] [MQTT3-3.10.4-1] [MQTT3-3.10.4-2] [MQTT3-3.10.4-4] [MQTT3-3.10.4-5] [MQTT3-3.10.4-6] UNSUBSCRIBE ends what it names and is answered, version %i',
    async (level) => {
      const client = await bench.connect({ level })
      const none = level === 5 ? [NONE] : []
      client.send(
        packet(0x82, word(1), ...none, COMMAND, 0),
        packet(0xa2, word(2), ...none, text('h/demo-01'), COMMAND),
      )
      await client.until(3)
      expect(client.bytes().subarray(-4 - 3 * none.length)).toEqual(
        level === 5 ? Buffer.from([0xb0, 5, 0, 2, 0, 0x11, 0]) : Buffer.from([0xb0, 2, 0, 2]),
      )
      expect(bench.heard.session?.publish('h/demo-01/command', Buffer.from('x'))).toBe('unsubscribed')
    },
  )

  test('a subscription identifier is answered 0xA1', async () => {
    const client = await bench.connect()
    expect(await client.last(packet(0x82, word(1), properties(0x0b, 1), COMMAND, 0))).toMatchObject({
      cmd: 'disconnect',
      reasonCode: 0xa1,
    })
  })
})

describe('the rest', () => {
  test.each([5, 4] as const)('[MQTT-3.12.4-1] [MQTT3-3.12.4-1] PINGREQ is answered, version %i', async (level) => {
    const client = await bench.connect({ level })
    client.send(PINGREQ, PINGREQ)
    await client.until(3)
    expect(client.packets.slice(1).map(({ cmd }) => cmd)).toEqual(['pingresp', 'pingresp'])
  })

  test('[MQTT-3.14.4-2] after the hub’s DISCONNECT nothing of it is taken, and the connection is closed', async () => {
    const before = bench.heard.messages.length
    const client = await bench.connect()
    await client.last(packet(0xe0), publish5('after'))
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack'])
    expect(bench.heard.messages).toHaveLength(before)
    expect(bench.heard.closed.at(-1)).toBe('good-bye')
  })

  test('[MQTT-4.2.0-1] packets are the same however the bytes are cut', async () => {
    const client = await bench.dial()
    for (const byte of Buffer.concat([connectPacket(), subscribe5, publish5('cut'), PINGREQ])) {
      await new Promise<void>((resolve) => client.socket.write(Buffer.from([byte]), () => resolve()))
    }
    await client.until(4)
    expect(bench.heard.messages.at(-1)).toBe('cut')
  })
})

test('[MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-3] [MQTT-2.2.1-3] what waits for its PUBACK is bounded, and other packets are answered meanwhile', async () => {
  await using held = await rawBench({ receive_max: 2, handler: { message: () => new Promise(() => undefined) } })
  const client = await held.connect()
  client.send(publish5('a', 1), publish5('b', 2), PINGREQ, subscribe5)
  await client.until(3)
  expect(client.packets.slice(1).map(({ cmd }) => cmd)).toEqual(['pingresp', 'suback'])
  expect(await client.last(publish5('c', 3))).toMatchObject({ cmd: 'disconnect', reasonCode: 0x93 })
  const again = await held.connect()
  expect(await again.last(publish5('a', 1), publish5('b', 1))).toMatchObject({ cmd: 'disconnect', reasonCode: 0x82 })
})

test.each([5, 4] as const)(
  '[MQTT-4.1.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2] [MQTT3-4.6.0-5] [MQTT3-4.6.0-6] a subscription lasts as long as its connection, and messages stay in order both ways, version %i',
  async (level) => {
    const client = await bench.connect({ level })
    const none = level === 5 ? [NONE] : []
    client.send(packet(0x82, word(7), ...none, COMMAND, 0))
    await client.until(2)
    const numbers = Array.from({ length: 100 }, (_, i) => String(i))
    for (const number of numbers) bench.heard.session?.publish('h/demo-01/command', Buffer.from(number))
    client.send(...numbers.map((number) => packet(0x30, RESULT, ...none, Buffer.from(number))), PINGREQ)
    await client.until(103)
    const told = client.packets.map((one) => (one.cmd === 'publish' ? one.payload.toString() : one.cmd))
    expect(told.filter((one) => one !== 'pingresp')).toEqual(['connack', 'suback', ...numbers])
    expect(bench.heard.messages.slice(-100)).toEqual(numbers)
  },
)

test.each([5, 4] as const)(
  '[MQTT3-4.8.0-2] a fault of the server’s own closes the connection, and nothing is acknowledged, version %i',
  async (level) => {
    await using broken = await rawBench({ handler: { message: () => Promise.reject(new Error('the disk is gone')) } })
    const client = await broken.connect({ level })
    await client.last(packet(0x32, RESULT, word(1), ...(level === 5 ? [NONE] : [])))
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(level === 5 ? ['connack', 'disconnect'] : ['connack'])
    expect(broken.heard.faults).toHaveLength(1)
  },
)
