/** The vectors of docs/hub-protocol.md, made by another implementation, against what Hearth does. */
import { isUtf8 } from 'node:buffer'
import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { batchHeader, eventsCrc } from '../contract/batch.ts'
import { bucketOf } from '../contract/bucket.ts'
import { commandHash, commandId, hubBound, relayBound } from '../contract/command.ts'
import { HEADER_MAX_BYTES } from '../contract/limits.ts'
import { compareBoots, compareEpochs, parseBoot, parseEpoch } from '../contract/source.ts'
import { unpack } from './batch-codec.ts'
import batches from './vectors/batches.json' with { type: 'json' }
import boots from './vectors/boots.json' with { type: 'json' }
import buckets from './vectors/buckets.json' with { type: 'json' }
import commands from './vectors/commands.json' with { type: 'json' }
import crcs from './vectors/crc.json' with { type: 'json' }

/** A reader written from the document alone. */
function read(bytes: Buffer) {
  const plain = unpack(bytes)
  if (!isUtf8(plain)) throw new Error('not UTF-8')
  const end = plain.indexOf(0x0a)
  if (end < 0 || end > HEADER_MAX_BYTES) throw new Error('no header line')
  const header = batchHeader.parse(JSON.parse(plain.subarray(0, end).toString()))
  const body = plain.subarray(end + 1)
  if (body.length > 0 && body.at(-1) !== 0x0a) throw new Error('the last line has no end')
  const events = body.toString().split('\n').slice(0, -1)
  if (events.length !== header.count) throw new Error('the count differs')
  if (eventsCrc(body) !== header.crc) throw new Error('the crc differs')
  if (header.first + header.count > header.next || header.acked > header.next) throw new Error('numbers out of order')
  return { header, events, crc: eventsCrc(body) }
}

describe('batches', () => {
  test.each(batches.valid)('$about', ({ hex, header, events }) => {
    const found = read(Buffer.from(hex, 'hex'))
    expect(found.header).toEqual(header)
    expect(found.events).toHaveLength(events)
    expect(found.crc).toBe(header.crc)
  })

  test.each(batches.malformed)('malformed: $about', ({ hex }) => {
    expect(() => read(Buffer.from(hex, 'hex'))).toThrow()
  })
})

test.each(buckets)('the bucket of $hub', ({ hub, xxh64, bucket_of_4, bucket_of_16 }) => {
  expect(bucketOf(hub, 4)).toBe(bucket_of_4)
  expect(bucketOf(hub, 16)).toBe(bucket_of_16)
  expect(Number(BigInt(`0x${xxh64}`) % 4n)).toBe(bucket_of_4)
})

test.each(crcs)('crc of $about', ({ hex, crc }) => {
  expect(eventsCrc(Buffer.from(hex, 'hex'))).toBe(crc)
})

test('boots and epochs', () => {
  for (const { text, ...boot } of boots.valid) expect(parseBoot(text)).toEqual(boot)
  for (const text of boots.malformed) expect(() => parseBoot(text), text).toThrow()
  expect(boots.order_of_valid.map(parseBoot).sort(compareBoots)).toEqual(boots.order_of_valid.map(parseBoot))
  for (const { text, ...epoch } of boots.epochs.valid) expect(parseEpoch(text)).toEqual(epoch)
  for (const text of boots.epochs.malformed) expect(() => parseEpoch(text), text).toThrow()
  expect(boots.epochs.order.map(parseEpoch).sort(compareEpochs)).toEqual(boots.epochs.order.map(parseEpoch))
})

test('commands', () => {
  for (const { fleet, app, hub, key, day, command } of commands.ids) {
    expect(commandId(fleet, app, hub, key, day)).toBe(command)
  }
  for (const { device, set, hash } of commands.hashes) {
    // JSON's type of the union has the absent attributes as undefined.
    expect(commandHash({ device, set: JSON.parse(JSON.stringify(set)) })).toBe(hash)
  }
  for (const message of commands.to_hub) expect(hubBound.parse(message)).toEqual(message)
  for (const message of commands.to_relay) expect(relayBound.parse(message)).toEqual(message)
  for (const message of commands.malformed_to_hub) expect(hubBound.safeParse(message).success).toBe(false)
})

test('every vector file is named in the document', () => {
  const text = fs.readFileSync(new URL('../docs/hub-protocol.md', import.meta.url), 'utf8')
  for (const file of fs.readdirSync(new URL('vectors', import.meta.url))) expect(text).toContain(file)
})
