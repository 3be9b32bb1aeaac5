import fc from 'fast-check'
import { generate, type IPublishPacket, parser as makeParser, type Packet } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { pubackPacket, publishPacket, readPublish, topicBytes } from './mqtt-hot.ts'

const protocol = fc.constantFrom<4 | 5>(4, 5)
const topic = fc.constantFrom('h/demo-01/result', 'h/küche/result', 'h/a/b')
const known = (name: string) => ({ name, bytes: topicBytes(name) })
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(0, 100, 127, 128, 16_300, 16_384, 40_000).map((length) => new Uint8Array(length)),
)

function parsed(bytes: Buffer, protocolVersion: 4 | 5): Packet | undefined {
  const found: Packet[] = []
  const parser = makeParser({ protocolVersion })
  parser.on('packet', (packet) => found.push(packet))
  parser.on('error', () => undefined)
  return parser.parse(bytes) === 0 ? found[0] : undefined
}

test('what it writes is what the codec of the other packets reads', () => {
  fc.assert(
    fc.property(topic, payload, protocol, (name, bytes, version) => {
      const packet = publishPacket(topicBytes(name), bytes, version)
      const plain = {
        cmd: 'publish',
        topic: name,
        payload: Buffer.from(bytes),
        qos: 0,
        dup: false,
        retain: false,
      } as const
      expect(packet).toEqual(generate(plain, { protocolVersion: version }))
      expect(parsed(packet, version)).toMatchObject(plain)
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_535 }), protocol, (id, version) => {
      expect(parsed(pubackPacket(id), version)).toMatchObject({ cmd: 'puback', messageId: id })
    }),
  )
})

test('what it reads is what the codec of the other packets reads, and it leaves to that what it does not know', () => {
  const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 2)
  const alias = fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined })
  fc.assert(
    fc.property(
      fc.record({ name: topic, other: topic, bytes: payload, version: protocol, level: qos, alias }),
      fc.record({ retain: fc.boolean(), dup: fc.boolean() }),
      fc.integer({ min: 1, max: 65_535 }),
      ({ name, other, bytes, version, level, alias: topicAlias }, flags, messageId) => {
        const packet: IPublishPacket = {
          ...{ cmd: 'publish', topic: name, payload: Buffer.from(bytes), qos: level, ...flags },
          dup: flags.dup && level > 0,
          ...(level > 0 && { messageId }),
          ...(version === 5 && topicAlias !== undefined && { properties: { topicAlias } }),
        }
        const read = readPublish(generate(packet, { protocolVersion: version }), known(other), version)
        const isPlain = name === other && level < 2 && !flags.retain && packet.properties === undefined
        expect(read).toEqual(
          isPlain ? { topic: name, payload: packet.payload, qos: level, id: level > 0 ? messageId : 0 } : undefined,
        )
      },
    ),
    { numRuns: 500 },
  )
})

test('of any bytes it reads at most what the codec of the other packets reads as well', () => {
  const bytes = topicBytes('h/a/result')
  const mutated = fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0x30, 0x32, 0x3a, 0x31, 0x34, 0x40), fc.nat(40))
    .map(([tail, head, extra]) => {
      const body = Buffer.concat([bytes, tail])
      return Buffer.concat([Buffer.from([head, (body.length + extra) % 128]), body, Buffer.alloc(extra)])
    })
  fc.assert(
    fc.property(mutated, protocol, (packet, version) => {
      const read = readPublish(packet, { name: 'h/a/result', bytes }, version)
      if (!read) return
      expect(parsed(packet, version)).toMatchObject({
        cmd: 'publish',
        topic: read.topic,
        payload: read.payload,
        qos: read.qos,
      })
    }),
    { numRuns: 1_000 },
  )
})
