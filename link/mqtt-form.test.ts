import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connectPacket as connect, packet, properties, text, variable, word } from './mqtt-bytes.fixture.ts'
import { connectLevel, flawOf } from './mqtt-form.ts'

const BAD_UTF8 = Buffer.from([0x61, 0xed, 0xa0, 0x80]) // U+D800
const TOPIC = text('h/demo-01/result')
const ID = word(1)
const NONE = properties()
const USER = (name: string | Buffer, value: string | Buffer) =>
  Buffer.concat([Buffer.from([0x26]), text(name), text(value)])

/** What is wrong, the bytes, and the reason code; `undefined` as protocol is before CONNECT. */
const CONNECTS: readonly (readonly [about: string, bytes: Buffer, code: number])[] = [
  ['[MQTT-3.1.0-1] another packet before CONNECT', packet(0xc0), 0x82],
  ['[MQTT-3.1.2-1] another protocol name', connect({ name: 'HTTP' }), 0x84],
  ['[MQTT-3.1.2-2] a later version', connect({ level: 6 }), 0x84],
  ['[MQTT3-3.1.2-2] an older version', connect({ name: 'MQIsdp', level: 3 }), 0x84],
  ['[MQTT3-3.1.2-2] version 4 with the bit of bridges', connect({ level: 0x84 }), 0x84],
  ['[MQTT-3.1.2-3] the reserved flag', connect({ flags: 0x83 }), 0x81],
  ['[MQTT3-3.1.2-3] the reserved flag', connect({ level: 4, flags: 0x83 }), 0x81],
  ['[MQTT-3.1.2-11] a QoS of no will', connect({ flags: 0x8a }), 0x81],
  ['[MQTT3-3.1.2-11] [MQTT3-3.1.2-13] a QoS of no will', connect({ level: 4, flags: 0x8a }), 0x81],
  ['[MQTT-3.1.2-13] a retain flag of no will', connect({ flags: 0xa2 }), 0x81],
  ['[MQTT3-3.1.2-15] a retain flag of no will', connect({ level: 4, flags: 0xa2 }), 0x81],
  ['[MQTT-3.1.2-12] a will of QoS 3', connect({ flags: 0x9e }), 0x81],
  ['[MQTT3-3.1.2-14] a will of QoS 3', connect({ level: 4, flags: 0x9e }), 0x81],
  ['[MQTT-3.1.2-9] a will flag without a will', connect({ flags: 0x86 }), 0x81],
  ['[MQTT3-3.1.2-9] a will flag without a will', connect({ level: 4, flags: 0x86 }), 0x81],
  ['[MQTT-3.1.2-16] a user name without its flag', connect({ flags: 0x02 }), 0x81],
  ['[MQTT3-3.1.2-18] a user name without its flag', connect({ level: 4, flags: 0x02 }), 0x81],
  ['[MQTT-3.1.2-17] the flag of a user name without one', connect({ payload: [text('demo-01')] }), 0x81],
  ['[MQTT3-3.1.2-19] the flag of a user name without one', connect({ level: 4, payload: [text('demo-01')] }), 0x81],
  [
    '[MQTT-3.1.2-18] a password without its flag',
    connect({ payload: [text('demo-01'), text('1.1.1'), text('x')] }),
    0x81,
  ],
  [
    '[MQTT3-3.1.2-20] a password without its flag',
    connect({ level: 4, payload: [text('a'), text('1.1.1'), text('x')] }),
    0x81,
  ],
  ['[MQTT-3.1.2-19] the flag of a password without one', connect({ flags: 0xc2 }), 0x81],
  ['[MQTT3-3.1.2-21] the flag of a password without one', connect({ level: 4, flags: 0xc2 }), 0x81],
  ['[MQTT3-3.1.2-22] a password without a user name', connect({ level: 4, flags: 0x42 }), 0x81],
  ['[MQTT-3.1.3-3] no client id', connect({ payload: [] }), 0x81],
  ['[MQTT3-3.1.3-3] no client id', connect({ level: 4, payload: [] }), 0x81],
  [
    '[MQTT3-3.1.3-10] a will topic that is not UTF-8',
    connect({ level: 4, flags: 0x06, payload: [text('a'), text(BAD_UTF8), text('x')] }),
    0x81,
  ],
  ['[MQTT-3.1.3-4] a client id that is not UTF-8', connect({ payload: [text(BAD_UTF8), text('1.1.1')] }), 0x81],
  ['[MQTT3-3.1.3-4] a client id that is not UTF-8', connect({ level: 4, payload: [text(BAD_UTF8), text('1')] }), 0x81],
  ['[MQTT-3.1.3-12] a user name that is not UTF-8', connect({ payload: [text('demo-01'), text(BAD_UTF8)] }), 0x81],
  ['[MQTT3-3.1.3-11] a user name that is not UTF-8', connect({ level: 4, payload: [text('a'), text(BAD_UTF8)] }), 0x81],
  [
    '[MQTT-3.1.3-11] a will topic that is not UTF-8',
    connect({ flags: 0x86, payload: [text('demo-01'), NONE, text(BAD_UTF8), text('x'), text('1.1.1')] }),
    0x81,
  ],
  ['[MQTT-1.5.4-2] U+0000 in the client id', connect({ payload: [text('a\0'), text('1.1.1')] }), 0x81],
  ['[MQTT3-1.5.3-2] U+0000 in the client id', connect({ level: 4, payload: [text('a\0é'), text('1.1.1')] }), 0x81],
  ['[MQTT-2.1.3-1] flags that are not those of CONNECT', Buffer.from([0x11, ...connect().subarray(1)]), 0x81],
  ['a property that is there twice', connect({ properties: properties(0x21, ID, 0x21, ID) }), 0x82],
  [
    'the same property twice, once as 0',
    connect({ properties: properties(0x11, Buffer.alloc(4), 0x11, Buffer.alloc(4)) }),
    0x82,
  ],
  ['a property of PUBLISH', connect({ properties: properties(0x23, ID) }), 0x81],
  ['a property that nobody knows', connect({ properties: properties(0x7f) }), 0x81],
  ['Receive Maximum 0', connect({ properties: properties(0x21, word(0)) }), 0x82],
  ['Maximum Packet Size 0', connect({ properties: properties(0x27, Buffer.alloc(4)) }), 0x82],
  ['Request Problem Information 2', connect({ properties: properties(0x17, 2) }), 0x82],
  ['authentication data without a method', connect({ properties: properties(0x16, text('x')) }), 0x82],
  ['properties that are longer than the packet', connect({ properties: Buffer.from([0x7f, 0x21]) }), 0x81],
  ['a property that is cut', connect({ properties: properties(0x21, 0) }), 0x81],
]

const PACKETS: readonly (readonly [about: string, bytes: Buffer, protocol: 4 | 5, code: number])[] = [
  [
    '[MQTT-1.5.5-1] PUBLISH with a length of more bytes than it needs',
    Buffer.concat([Buffer.from([0x30, 0x80 | (TOPIC.length + 1), 0]), TOPIC, NONE]),
    5,
    0x81,
  ],
  ['[MQTT-4.7.3-2] a topic with U+0000', packet(0x30, text('a\0'), NONE), 5, 0x81],
  ['[MQTT3-4.7.3-2] a filter with U+0000', packet(0x82, ID, text('a\0'), 0), 4, 0x81],
  ['[MQTT-3.1.0-2] a second CONNECT', connect(), 5, 0x82],
  ['[MQTT3-3.1.0-2] a second CONNECT', connect({ level: 4 }), 4, 0x82],
  ['[MQTT-1.5.4-1] a topic with half of a surrogate pair', packet(0x30, text(BAD_UTF8), NONE), 5, 0x81],
  ['[MQTT3-1.5.3-1] a topic with half of a surrogate pair', packet(0x30, text(BAD_UTF8)), 4, 0x81],
  [
    '[MQTT-1.5.5-1] a length of more bytes than it needs',
    Buffer.from([0x82, 0x8a, 0x00, 0, 1, 0, 0, 4, 97, 98, 99, 100, 0]),
    5,
    0x81,
  ],
  [
    '[MQTT-1.5.5-1] a property length of more bytes than it needs',
    packet(0x30, TOPIC, Buffer.from([0x80, 0])),
    5,
    0x81,
  ],
  [
    '[MQTT-1.5.7-1] a user property whose value is not UTF-8',
    packet(0x30, TOPIC, properties(USER('a', BAD_UTF8))),
    5,
    0x81,
  ],
  [
    '[MQTT-1.5.7-1] a user property whose name is not UTF-8',
    packet(0x30, TOPIC, properties(USER(BAD_UTF8, 'a'))),
    5,
    0x81,
  ],
  ['[MQTT-2.1.3-1] PINGREQ with flags', packet(0xc1), 5, 0x81],
  ['[MQTT3-2.2.2-1] [MQTT3-2.2.2-2] PINGREQ with flags', packet(0xc1), 4, 0x81],
  ['[MQTT-2.2.1-3] PUBLISH of packet id 0', packet(0x32, TOPIC, word(0), NONE), 5, 0x82],
  ['[MQTT3-2.3.1-1] PUBLISH of packet id 0', packet(0x32, TOPIC, word(0)), 4, 0x82],
  ['[MQTT-2.2.1-3] SUBSCRIBE of packet id 0', packet(0x82, word(0), NONE, TOPIC, 0), 5, 0x82],
  ['[MQTT-2.2.1-3] UNSUBSCRIBE of packet id 0', packet(0xa2, word(0), NONE, TOPIC), 5, 0x82],
  ['[MQTT-2.2.2-1] PUBLISH without a property length', packet(0x30, TOPIC), 5, 0x81],
  ['[MQTT-3.3.1-2] DUP with QoS 0', packet(0x38, TOPIC, NONE), 5, 0x81],
  ['[MQTT3-3.3.1-2] DUP with QoS 0', packet(0x38, TOPIC), 4, 0x81],
  ['[MQTT-3.3.1-4] both bits of QoS', packet(0x36, TOPIC, ID, NONE), 5, 0x81],
  ['[MQTT3-3.3.1-4] both bits of QoS', packet(0x36, TOPIC, ID), 4, 0x81],
  ['[MQTT-3.3.2-1] no topic name', packet(0x30), 5, 0x81],
  ['[MQTT3-3.3.2-1] no topic name', packet(0x30), 4, 0x81],
  [
    '[MQTT-3.3.2-13] a response topic that is not UTF-8',
    packet(0x30, TOPIC, properties(0x08, text(BAD_UTF8))),
    5,
    0x81,
  ],
  ['[MQTT-3.3.2-14] a response topic with a wildcard', packet(0x30, TOPIC, properties(0x08, text('a/+'))), 5, 0x82],
  ['[MQTT-3.3.2-19] a content type that is not UTF-8', packet(0x30, TOPIC, properties(0x03, text(BAD_UTF8))), 5, 0x81],
  ['[MQTT-3.3.4-6] a subscription identifier in PUBLISH', packet(0x30, TOPIC, properties(0x0b, 1)), 5, 0x82],
  ['payload format indicator 2', packet(0x30, TOPIC, properties(0x01, 2)), 5, 0x82],
  ['[MQTT-3.6.1-1] PUBREL with other flags', packet(0x60, ID), 5, 0x81],
  ['[MQTT3-3.6.1-1] PUBREL with other flags', packet(0x60, ID), 4, 0x81],
  ['[MQTT-3.8.1-1] SUBSCRIBE with other flags', packet(0x80, ID, NONE, TOPIC, 0), 5, 0x81],
  ['[MQTT3-3.8.1-1] SUBSCRIBE with other flags', packet(0x80, ID, TOPIC, 0), 4, 0x81],
  ['[MQTT-3.8.3-1] a filter that is not UTF-8', packet(0x82, ID, NONE, text(BAD_UTF8), 0), 5, 0x81],
  ['[MQTT3-3.8.3-1] a filter that is not UTF-8', packet(0x82, ID, text(BAD_UTF8), 0), 4, 0x81],
  ['[MQTT-3.8.3-2] SUBSCRIBE without a filter', packet(0x82, ID, NONE), 5, 0x82],
  ['[MQTT3-3.8.3-3] SUBSCRIBE without a filter', packet(0x82, ID), 4, 0x82],
  ['[MQTT-3.8.3-2] a filter without options', packet(0x82, ID, NONE, TOPIC), 5, 0x81],
  ['[MQTT-3.8.3-4] no local with a shared subscription', packet(0x82, ID, NONE, text('$share/a/b'), 0x04), 5, 0x82],
  ['[MQTT-3.8.3-5] reserved bits of options', packet(0x82, ID, NONE, TOPIC, 0x40), 5, 0x81],
  ['[MQTT3-3.8.3-4] reserved bits of options', packet(0x82, ID, TOPIC, 0x04), 4, 0x81],
  ['[MQTT3-3.8.3-4] a subscription of QoS 3', packet(0x82, ID, TOPIC, 0x03), 4, 0x82],
  ['a subscription of QoS 3', packet(0x82, ID, NONE, TOPIC, 0x03), 5, 0x82],
  ['retain handling 3', packet(0x82, ID, NONE, TOPIC, 0x30), 5, 0x82],
  ['subscription identifier 0', packet(0x82, ID, properties(0x0b, 0), TOPIC, 0), 5, 0x82],
  ['[MQTT-3.10.1-1] UNSUBSCRIBE with other flags', packet(0xa0, ID, NONE, TOPIC), 5, 0x81],
  ['[MQTT3-3.10.1-1] UNSUBSCRIBE with other flags', packet(0xa0, ID, TOPIC), 4, 0x81],
  ['[MQTT-3.10.3-1] a filter that is not UTF-8', packet(0xa2, ID, NONE, text(BAD_UTF8)), 5, 0x81],
  ['[MQTT3-3.10.3-1] a filter that is not UTF-8', packet(0xa2, ID, text(BAD_UTF8)), 4, 0x81],
  ['[MQTT-3.10.3-2] UNSUBSCRIBE without a filter', packet(0xa2, ID, NONE), 5, 0x82],
  ['[MQTT3-3.10.3-2] UNSUBSCRIBE without a filter', packet(0xa2, ID), 4, 0x82],
  ['PINGREQ with a payload', packet(0xc0, 1), 5, 0x81],
  ['[MQTT-3.14.1-1] DISCONNECT with flags', packet(0xe1), 5, 0x81],
  ['[MQTT3-3.14.1-1] DISCONNECT with flags', packet(0xe1), 4, 0x81],
  ['DISCONNECT of 3.1.1 with a reason code', packet(0xe0, 0), 4, 0x81],
  ['[MQTT-3.14.2-1] a reason code that only servers send', packet(0xe0, 0x8e), 5, 0x82],
  ['[MQTT-3.14.2-1] a reason code that nobody sends', packet(0xe0, 0x33), 5, 0x82],
  ['bytes after the properties of DISCONNECT', packet(0xe0, 0, NONE, 1), 5, 0x81],
  ['a server reference in DISCONNECT', packet(0xe0, 0, properties(0x1c, text('x'))), 5, 0x81],
  ['[MQTT-3.15.1-1] AUTH with flags', packet(0xf1), 5, 0x81],
  ['AUTH of 3.1.1', packet(0xf0), 4, 0x81],
  ['packet type 0', packet(0x00), 5, 0x81],
]

test.each(CONNECTS)('%s is found before a session', (_about, bytes, code) => {
  expect(flawOf(bytes, undefined)).toMatchObject({ code })
})

test.each(PACKETS)('%s is found in a session', (_about, bytes, protocol, code) => {
  expect(flawOf(bytes, protocol)).toMatchObject({ code })
})

test.each([
  ['CONNECT', connect(), undefined],
  ['CONNECT of 3.1.1', connect({ level: 4 }), undefined],
  ['[MQTT-3.1.2-19] a password without a user name', connect({ flags: 0x42 }), undefined],
  [
    'CONNECT with all that may be there',
    connect({
      flags: 0xf6,
      properties: properties(
        0x11,
        word(0),
        word(9),
        0x21,
        ID,
        0x27,
        word(1),
        ID,
        0x22,
        ID,
        0x17,
        1,
        0x19,
        0,
        USER('a', 'b'),
        USER('a', 'b'),
        0x15,
        text('x'),
        0x16,
        text('y'),
      ),
      payload: [
        text('demo-01'),
        properties(0x18, word(0), ID, 0x01, 1, 0x08, text('a')),
        text('a'),
        text(BAD_UTF8),
        text('u'),
        text(BAD_UTF8),
      ],
    }),
    undefined,
  ],
  ['[MQTT-4.7.3-3] a topic as long as a length can say', packet(0x30, text('t'.repeat(65_535)), NONE), 5],
  ['[MQTT3-4.7.3-3] a topic as long as a length can say', packet(0x30, text('t'.repeat(65_535))), 4],
  ['[MQTT-1.5.4-3] a topic that begins with U+FEFF', packet(0x30, text('\ufeffa'), NONE), 5],
  ['[MQTT3-1.5.3-3] a topic that begins with U+FEFF', packet(0x30, text('\ufeffa')), 4],
  [
    'PUBLISH with all that may be there',
    packet(
      0x3a,
      text('é'),
      ID,
      properties(
        0x01,
        1,
        0x02,
        word(0),
        ID,
        0x03,
        text('t'),
        0x08,
        text('r'),
        0x09,
        text(BAD_UTF8),
        0x23,
        ID,
        USER('a', 'b'),
      ),
      BAD_UTF8,
    ),
    5,
  ],
  [
    'SUBSCRIBE with all that may be there',
    packet(0x82, ID, properties(0x0b, 1, USER('a', 'b')), TOPIC, 0x2e, TOPIC, 0),
    5,
  ],
  ['DISCONNECT without a body', packet(0xe0), 5],
  ['DISCONNECT with a reason alone', packet(0xe0, 0x04), 5],
  [
    'DISCONNECT with all that may be there',
    packet(0xe0, 0, properties(0x11, word(0), word(0), 0x1f, text('x'), USER('a', 'b'))),
    5,
  ],
  ['a payload that is no text', packet(0x30, TOPIC, BAD_UTF8), 4],
] as const)('%s is well formed', (_about, bytes, protocol) => {
  expect(flawOf(bytes, protocol)).toBeUndefined()
})

test('the version that a CONNECT asks for', () => {
  expect(
    [connect(), connect({ level: 4 }), connect({ level: 77 }), connect({ name: 'MQIsdp', level: 3 })].map(connectLevel),
  ).toEqual([5, 4, 77, 3])
  expect([connect({ name: 'HTTP' }), packet(0x10), packet(0x10, 0, 4, 77)].map(connectLevel)).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('nothing but a flaw comes of any bytes', () => {
  const any = fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 }))
    .map(([first, body]) => Buffer.concat([Buffer.from([first]), variable(body.length), body]))
  fc.assert(
    fc.property(any, fc.constantFrom(undefined, 4 as const, 5 as const), (bytes, protocol) => {
      const flaw = flawOf(bytes, protocol)
      expect([undefined, 0x81, 0x82, 0x84]).toContain(flaw?.code)
    }),
    { numRuns: 3_000 },
  )
})
