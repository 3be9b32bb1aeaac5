/** The normative statements of MQTT about CONNECT, CONNACK and sizes. */
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

describe('CONNECT and CONNACK', () => {
  test('[MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-8] [MQTT-3.2.2-9] [MQTT-3.1.2-28] one CONNACK comes first, without a session, and announces what is kept', async () => {
    const client = await bench.connect({ properties: properties(0x19, 0) })
    client.send(PINGREQ)
    await client.until(2)
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp'])
    expect(client.bytes()[2]).toBe(0)
    expect(client.packets[0]).toMatchObject({ reasonCode: 0, sessionPresent: false, properties: { maximumQoS: 1 } })
    expect(client.packets[0]).not.toHaveProperty('properties.responseInformation')
  })

  test.each([5, 4])(
    '[MQTT3-3.1.2-6] [MQTT3-3.1.4-3] [MQTT3-3.1.4-4] [MQTT3-3.2.0-1] [MQTT3-3.2.2-1] CONNACK says no session, version %i',
    async (level) => {
      const client = await bench.connect({ level })
      expect(client.bytes().subarray(2, 4)).toEqual(Buffer.from([0, 0]))
    },
  )

  test('[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-23] [MQTT-3.1.4-4] [MQTT-3.2.2-3] [MQTT-4.1.0-2] no session outlives its connection, whatever Clean Start asks', async () => {
    const first = await bench.connect({ flags: 0x80, properties: properties(0x11, number32(3_600)) })
    expect(first.packets[0]).toMatchObject({ sessionPresent: false, properties: { sessionExpiryInterval: 0 } })
    first.send(subscribe5)
    await first.until(2)
    await first.last(packet(0xe0))
    const second = await bench.connect({ flags: 0x80 })
    expect(second.packets[0]).toMatchObject({ sessionPresent: false })
    expect(bench.heard.session?.publish('h/demo-01/command', Buffer.from('x'))).toBe('unsubscribed')
  })

  test('[MQTT3-3.1.2-4] [MQTT3-3.1.2-5] [MQTT3-3.2.2-4] [MQTT3-3.2.2-5] a hub of 3.1.1 that wants its session kept is refused, not misled', async () => {
    const client = await bench.connect({ level: 4, flags: 0x80 })
    await client.closed
    expect(client.bytes()).toEqual(Buffer.from([0x20, 2, 0, 5]))
  })

  test.each([
    ['[MQTT-3.1.0-1] another packet first', PINGREQ],
    ['[MQTT-3.1.2-1] another protocol', connectPacket({ name: 'HTTP' })],
    ['[MQTT3-3.1.0-1] another packet first, of 3.1.1', packet(0x82, word(1), COMMAND, 0)],
    ['[MQTT3-3.1.4-1] [MQTT3-3.2.2-6] a bad CONNECT of 3.1.1', connectPacket({ level: 4, flags: 0x83 })],
    ['[MQTT3-3.1.2-1] another protocol, of 3.1.1', connectPacket({ level: 4, name: 'MQTX' })],
  ])('%s is closed without a word', async (_about, bytes) => {
    const client = await bench.dial()
    expect(await client.last(bytes)).toBeUndefined()
  })

  test.each([
    ['[MQTT-3.1.4-1] [MQTT-4.13.1-1] [MQTT-4.13.2-1] a malformed CONNECT', connectPacket({ flags: 0x83 }), 0x81],
    ['[MQTT-3.1.4-1] a CONNECT against the protocol', connectPacket({ properties: properties(0x21, word(0)) }), 0x82],
    ['[MQTT-3.1.2-2] a version that is not there', connectPacket({ level: 6 }), 0x84],
    [
      '[MQTT-3.1.3-8] [MQTT-3.1.3-2] a client id that is not the certificate’s',
      connectPacket({ payload: [text('x'), text('1.1.1')] }),
      0x85,
    ],
    ['[MQTT-3.1.3-1] fields out of order', connectPacket({ payload: [text('1.1.1'), text('demo-01')] }), 0x85],
    ['[MQTT-3.1.3-6] an empty client id', connectPacket({ payload: [text(''), text('1.1.1')] }), 0x85],
    [
      '[MQTT-3.1.4-2] an epoch of another generation',
      connectPacket({ payload: [text('demo-01'), text('2.1.1')] }),
      0x87,
    ],
    [
      '[MQTT-3.1.2-7] a will',
      connectPacket({ flags: 0x86, payload: [text('demo-01'), NONE, RESULT, text('x'), text('1.1.1')] }),
      0x87,
    ],
    [
      '[MQTT-3.2.2-12] a will of QoS 2',
      connectPacket({ flags: 0x96, payload: [text('demo-01'), NONE, RESULT, text('x'), text('1.1.1')] }),
      0x9b,
    ],
    [
      '[MQTT-3.2.2-13] a will to be retained',
      connectPacket({ flags: 0xa6, payload: [text('demo-01'), NONE, RESULT, text('x'), text('1.1.1')] }),
      0x9a,
    ],
    [
      '[MQTT-4.12.0-1] [MQTT-4.12.0-6] an authentication method',
      connectPacket({ properties: properties(0x15, text('SCRAM')) }),
      0x87,
    ],
  ])('[MQTT-3.2.2-6] [MQTT-3.2.2-7] %s is refused by CONNACK, and closed', async (_about, bytes, code) => {
    const client = await bench.dial()
    expect(await client.last(bytes, publish5('ignored'))).toMatchObject({
      cmd: 'connack',
      reasonCode: code,
      sessionPresent: false,
    })
    expect(client.packets).toHaveLength(1)
    expect(bench.heard.messages).not.toContain('ignored')
  })

  test.each([
    ['[MQTT3-3.1.2-2] MQTT 3.1', connectPacket({ level: 3, name: 'MQIsdp' }), 1],
    [
      '[MQTT3-3.1.3-9] [MQTT3-3.1.3-2] a client id that is not the certificate’s',
      connectPacket({ level: 4, payload: [text('x'), text('1.1.1')] }),
      2,
    ],
    [
      '[MQTT3-3.1.3-6] [MQTT3-3.1.3-8] an empty client id',
      connectPacket({ level: 4, payload: [text(''), text('1.1.1')] }),
      2,
    ],
    ['[MQTT3-3.1.3-1] fields out of order', connectPacket({ level: 4, payload: [text('1.1.1'), text('demo-01')] }), 2],
    [
      '[MQTT3-3.1.2-8] a will',
      connectPacket({ level: 4, flags: 0x86, payload: [text('demo-01'), RESULT, text('x'), text('1.1.1')] }),
      5,
    ],
  ])('[MQTT3-3.2.2-4] [MQTT3-3.2.2-5] %s is refused by a return code, and closed', async (_about, bytes, code) => {
    const client = await bench.dial(4)
    await client.last(bytes)
    expect(client.bytes()).toEqual(Buffer.from([0x20, 2, 0, code]))
  })

  test('[MQTT-3.1.4-6] [MQTT3-3.1.4-5] [MQTT-3.14.0-1] after a refusal nothing is taken and nothing more is said', async () => {
    const before = bench.heard.messages.length
    const client = await bench.dial()
    await client.last(connectPacket({ payload: [text('x'), text('1')] }), publish5('late'), PINGREQ, packet(0x36))
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack'])
    expect(bench.heard.messages).toHaveLength(before)
  })

  test('[MQTT-3.1.4-3] [MQTT3-3.1.4-2] the connection that a hub had is ended by its new one', async () => {
    const older = await bench.connect()
    const newer = await bench.connect({ level: 4 })
    await older.closed
    expect(older.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8e })
    const newest = await bench.connect({ level: 4 })
    await newer.closed
    expect(newest.packets).toHaveLength(1)
  })

  test.each([
    ['[MQTT-3.2.2-22] [MQTT-3.2.2-21] keep-alive 30', 30, undefined],
    ['no keep-alive', 0, 300],
    ['a long keep-alive', 301, 300],
  ])('%s is told only where the server’s holds', async (_about, keepAlive_s, told) => {
    const client = await bench.connect({ keepAlive_s })
    const [connack] = client.packets
    expect(connack?.cmd === 'connack' && connack.properties?.serverKeepAlive).toBe(told)
  })

  test.each([4, 5] as const)(
    '[MQTT-3.1.2-22] [MQTT3-3.1.2-24] half a packet keeps no connection alive, version %i',
    async (level) => {
      const client = await bench.connect({ level, keepAlive_s: 1 })
      const drip = setInterval(() => client.socket.write(Buffer.from(drips++ === 0 ? [0x30, 100] : [0])), 100)
      let drips = 0
      await client.closed
      clearInterval(drip)
      expect(bench.heard.closed.at(-1)).toBe('keep-alive')
      if (level === 5) expect(client.packets.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8d })
    },
  )
})

describe('sizes', () => {
  test('[MQTT-3.1.2-24] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.14.2-3] [MQTT-3.14.2-4] nothing is larger than the hub’s Maximum Packet Size: words are left out first', async () => {
    const client = await bench.connect({ properties: properties(0x27, number32(128)) })
    client.send(publish5(`bad${'x'.repeat(200)}`))
    await client.until(2)
    expect(client.packets[1]).toMatchObject({ cmd: 'puback', messageId: 1, reasonCode: 0x99 })
    expect(client.packets[1]).not.toHaveProperty('properties')
    const other = text(`h/${'y'.repeat(200)}/result`)
    expect(await client.last(packet(0x30, other, NONE))).toMatchObject({ cmd: 'disconnect', reasonCode: 0x87 })
    expect(client.packets[2]).not.toHaveProperty('properties')
  })

  test('[MQTT-3.1.2-25] a message that is too large for the hub is not sent, and said to be so', async () => {
    const client = await bench.connect({ properties: properties(0x27, number32(128)) })
    client.send(subscribe5)
    await client.until(2)
    expect(bench.heard.session?.publish('h/demo-01/command', Buffer.alloc(200))).toBe('too-large')
    expect(bench.heard.session?.publish('h/demo-01/command', Buffer.alloc(20))).toBe('sent')
    await client.until(3)
  })

  test('[MQTT-3.2.2-19] [MQTT-3.2.2-20] a hub that takes less than an answer is refused within what it takes', async () => {
    const client = await bench.dial()
    await client.last(connectPacket({ properties: properties(0x27, number32(20)) }))
    expect(client.bytes()).toEqual(Buffer.from([0x20, 3, 0, 0x83, 0]))
    const none = await bench.dial()
    expect(await none.last(connectPacket({ properties: properties(0x27, number32(3)) }))).toBeUndefined()
  })

  test('[MQTT-3.1.2-29] a hub that wants no problem information gets it in CONNACK and DISCONNECT alone', async () => {
    const client = await bench.connect({ properties: properties(0x17, 0) })
    client.send(publish5('bad'))
    await client.until(2)
    expect(client.packets[1]).toMatchObject({ cmd: 'puback', reasonCode: 0x99 })
    expect(client.packets[1]).not.toHaveProperty('properties')
    expect(await client.last(packet(0x30, text('other'), NONE))).toHaveProperty('properties.reasonString')
  })

  test('[MQTT-3.2.2-15] a packet above the server’s Maximum Packet Size is refused by its first bytes', async () => {
    const client = await bench.connect()
    expect(await client.last(Buffer.from([0x30, 0xff, 0xff, 0x7f]))).toMatchObject({
      cmd: 'disconnect',
      reasonCode: 0x95,
    })
  })

  test('[MQTT-1.5.4-2] a reason never holds what a text must not, nor more than fits', async () => {
    const client = await bench.connect()
    client.send(publish5('bad\0\x07'), publish5(`bad${'é'.repeat(20_000)}`, 2))
    await client.until(3)
    expect(client.packets[1]).toHaveProperty('properties.reasonString', 'found bad\ufffd\ufffd')
    expect(await client.last(packet(0x30, text('t'.repeat(65_000)), NONE))).toMatchObject({
      cmd: 'disconnect',
      reasonCode: 0x87,
    })
    expect(bench.heard.faults).toEqual([])
  })
})
