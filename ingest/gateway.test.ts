import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import {
  BATCH_COMPRESSED_MAX_BYTES,
  BATCH_EVENTS_MAX,
  BATCH_PLAIN_MAX_BYTES,
  HEADER_MAX_BYTES,
  PREVIOUS_BOOTS_MAX,
} from '../contract/limits.ts'
import { Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import { ManualClock } from '../sim/clock.ts'
import type { EventLog, LogRecord } from './event-log.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { openPace } from './pace.ts'
import { batchOf, reading } from './testing/batch.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 2 }
const relay: Identity = { source: 'relay-0', role: 'service', generation: 1 }
const layout = { epoch: 1, buckets: 4 }

/** A log whose appends are answered when the test says so. */
function heldLog() {
  const records: { bucket: number; record: LogRecord; settle: (error?: Error) => void }[] = []
  let held = false
  const log: Pick<EventLog, 'append'> = {
    append: (bucket, record) =>
      new Promise((resolve, reject) => {
        const settle = (error?: Error) => (error ? reject(error) : resolve(records.length))
        records.push({ bucket, record, settle })
        if (!held) settle()
      }),
  }
  return { records, log: log as EventLog, hold: () => (held = true) }
}

describe('the gateway', () => {
  let clock: ManualClock
  let log: ReturnType<typeof heldLog>
  let gateway: Gateway
  beforeEach(() => {
    clock = new ManualClock()
    log = heldLog()
    gateway = openGateway({ log: log.log, layout, clock })
  })
  const boot = '2-7-00000001'
  const good = batchOf([reading(1, 2)], { boot })

  test.each([
    ['plain', good],
    ['gzip', gzipSync(good)],
    ['zstd', zstdCompressSync(good)],
  ])('keeps a %s batch as it came, under its hub, before it answers', async (codec, bytes) => {
    log.hold()
    let answered = false
    const answer = gateway.receive(hub, bytes, 'mqtt').then((result) => {
      answered = true
      return result
    })
    await waitUntil(() => log.records.length === 1)
    expect(answered).toBe(false)
    const [kept] = log.records
    expect(kept).toMatchObject({
      bucket: bucketOf('demo-01', 4),
      record: { source: 'demo-01', generation: 2, listener: 'mqtt', codec, value: bytes, received_ms: clock.now() },
    })
    kept?.settle()
    expect(await answer).toEqual({ kind: 'durable' })
  })

  test.each(['invalid', 'unauthorized', 'missing'] as const)(
    'a log that is %s is no fault of the sender, who sends again later',
    async (kind) => {
      log.hold()
      const answer = gateway.receive(hub, good, 'https')
      await expect.poll(() => log.records.length).toBe(1)
      log.records[0]?.settle(new Problem(kind, 'the topic does not fit', { outcome: 'unknown' }))
      const expected = { kind: 'unavailable', outcome: 'unknown', message: 'the topic does not fit' }
      await expect(answer).rejects.toMatchObject(expected)
    },
  )

  test('a batch that could not be made durable is not acknowledged', async () => {
    log.hold()
    const answer = gateway.receive(hub, good, 'mqtt')
    await waitUntil(() => log.records.length === 1)
    log.records[0]?.settle(new Error('disk full'))
    await expect(answer).rejects.toThrow('disk full')
    expect(gateway.counts()).toMatchObject({ in_flight: 0, in_flight_bytes: 0 })
  })

  const events = (count: number) => Array.from({ length: count }, () => '{"m":1,"kind":"x"}')
  const plainOf = (bytes: number) => {
    const without = batchOf(['{"text":""}'], { boot }).length
    return batchOf([`{"text":"${'x'.repeat(bytes - without)}"}`], { boot })
  }
  const noise = (bytes: number) => {
    const text = Array.from({ length: bytes }, (_, i) => String.fromCharCode(33 + ((i * 7919 + i ** 2 * 31) % 90)))
    return batchOf([text.join('').replaceAll('"', '_').replaceAll('\\', '_')], { boot })
  }
  const headerOf = (bytes: number) => {
    const dropped = (extra: string) => batchOf([], { boot, padding: extra } as object)
    const start = dropped('').length
    return dropped('x'.repeat(bytes - start))
  }

  test.each([
    ['10,000 events', batchOf(events(BATCH_EVENTS_MAX), { boot })],
    ['8 MiB unpacked', zstdCompressSync(plainOf(BATCH_PLAIN_MAX_BYTES))],
    ['1 MiB as sent', noise(1).length > 0 ? paddedTo(noise, BATCH_COMPRESSED_MAX_BYTES) : good],
    ['a header of 64 KiB', headerOf(HEADER_MAX_BYTES + 1)],
    ['no events', batchOf([], { boot })],
    ['a boot of an earlier generation', batchOf([], { boot: '1-9-00000000' })],
    ['40 earlier boots', batchOf([], { boot, previous: boots(PREVIOUS_BOOTS_MAX) })],
    ['as many dropped ranges as a header may hold', batchOf([], { boot, next: 9_999, dropped: ranges(1_024) })],
    ['versions of 64 characters', batchOf([], { boot, firmware: 'f'.repeat(64), agent: 'a'.repeat(64) })],
    ['an event of an unknown kind', batchOf(['{"m":1,"kind":"weather"}'], { boot })],
    ['events that are none: their lines are judged later', batchOf(['not JSON', '[]', ''], { boot })],
  ])('takes %s', async (_, bytes) => {
    expect(await gateway.receive(hub, bytes, 'mqtt')).toEqual({ kind: 'durable' })
  })

  const lines = good.subarray(good.indexOf(10) + 1)
  test.each<[string, Buffer, RegExp]>([
    ['10,001 events', batchOf(events(BATCH_EVENTS_MAX + 1), { boot }), /at most 10000 events/],
    ['8 MiB and a byte', zstdCompressSync(plainOf(BATCH_PLAIN_MAX_BYTES + 1)), /longer than 8388608 bytes unpacked/],
    ['the same in gzip', gzipSync(plainOf(BATCH_PLAIN_MAX_BYTES + 1)), /longer than 8388608 bytes unpacked/],
    ['a bomb', zstdCompressSync(Buffer.alloc(300_000_000)), /longer than 8388608 bytes unpacked/],
    [
      '1 MiB and a byte',
      paddedTo(noise, BATCH_COMPRESSED_MAX_BYTES + 1),
      /1048577 bytes as sent; the limit is 1048576/,
    ],
    ['a header of 64 KiB and a byte', headerOf(HEADER_MAX_BYTES + 2), /header line of at most 65536 bytes/],
    ['nothing', Buffer.alloc(0), /begins with a header line/],
    ['cut zstd', zstdCompressSync(good).subarray(0, 40), /begins like zstd but cannot be unpacked/],
    ['a header that is not JSON', Buffer.from('hello\n'), /header line is not JSON/],
    ['another version', batchOf([], { boot, hearth: 2 }), /protocol version 2; supported is version 1/],
    ['a field missing', batchOf([], { boot, wall: undefined }), /wall: /],
    ['a count that differs', batchOf([reading(1, 2)], { boot, count: 2, next: 2 }), /count is 2, but 1 event lines/],
    ['another crc', batchOf([reading(1, 2)], { boot, crc: '00000000' }), /crc is 00000000, but the CRC-32C/],
    ['no last newline', good.subarray(0, -1), /must end with a newline/],
    [
      'bytes that are not UTF-8',
      Buffer.concat([good.subarray(0, -lines.length), Buffer.from([0xff, 10])]),
      /not UTF-8/,
    ],
    ['41 earlier boots', batchOf([], { boot, previous: boots(PREVIOUS_BOOTS_MAX + 1) }), /previous: .*40/],
    ['too many dropped ranges', batchOf([], { boot, next: 9_999, dropped: ranges(1_025) }), /dropped: .*1024/],
    ['a dropped range that is empty', batchOf([], { boot, dropped: [[3, 3]] }), /from < to/],
    ['a dropped range that is turned round', batchOf([], { boot, dropped: [[5, 3]] }), /from < to/],
    ['a firmware of 65 characters', batchOf([], { boot, firmware: 'f'.repeat(65) }), /firmware: .*64/],
    ['a boot that is none', batchOf([], { boot: 'abc' }), /boot: expected <generation>-<counter>/],
    ['a boot of ten digits', batchOf([], { boot: '1-1234567890-00000000' }), /boot: expected/],
    ['a stream with a slash', batchOf([], { boot, stream: 'a/b' }), /stream: /],
    ['a negative first', batchOf([], { boot, first: -1 }), /first: /],
    ['a first past what counts exactly', batchOf([], { boot, first: 2 ** 53, next: 2 ** 53 }), /first: /],
    ['a count that is half', batchOf([], { boot, count: 0.5 }), /count: /],
    ['a version in words', batchOf([], { boot, hearth: 'one' }), /hearth: /],
    ['a header that is a list', Buffer.from('[1]\n'), /header does not fit/],
    ['a header that is null', Buffer.from('null\n'), /header does not fit/],
    ['brotli, which is no codec', brotliCompressSync(good), /header line/],
    ['zlib without gzip', deflateSync(good), /header line/],
    ['cut gzip', gzipSync(good).subarray(0, 30), /begins like gzip but cannot be unpacked/],
    [
      'zstd with a bit turned',
      turned(zstdCompressSync(good)),
      /begins like zstd but cannot be unpacked|crc is|not JSON/,
    ],
    ['a bomb in gzip', gzipSync(Buffer.alloc(300_000_000)), /longer than 8388608 bytes unpacked/],
    ['next below first + count', batchOf([reading(1, 2)], { boot, next: 0 }), /next \(0\) must be at least/],
    ['acked past next', batchOf([], { boot, acked: 5 }), /acked \(5\) is past its next/],
    [
      'a boot of a later generation',
      batchOf([], { boot: '3-1-00000000' }),
      /generation 3, but demo-01 .* generation 2/,
    ],
    [
      'an earlier boot of a later generation',
      batchOf([], {
        boot,
        previous: [...boots(1), { boot: '3-1-00000000', next: 0, acked: 0, dropped: [], held: false }],
      }),
      /previous names boot 3-1-00000000, which is of generation 3, but demo-01 .* generation 2: a boot begins with/,
    ],
    ['a stream of services', batchOf([], { boot, stream: 'e1b00' }), /a hub has the streams control and readings/],
  ])('refuses %s for good, with a reason, and keeps it as dead', async (_, bytes, reason) => {
    const answer = await gateway.receive(hub, bytes, 'https')
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringMatching(reason) })
    expect(log.records).toMatchObject([
      { bucket: bucketOf('demo-01', 4), record: { dead: expect.stringMatching(reason) } },
    ])
    expect(log.records[0]?.record.value.length).toBeLessThanOrEqual(64 * 1024)
  })

  test('a service speaks on the streams of the layout, and is kept in the bucket of the stream', async () => {
    const send = (stream: string) => gateway.receive(relay, batchOf([], { boot: '1-1-00000000', stream }), 'https')
    expect(await send('e1b03')).toEqual({ kind: 'durable' })
    for (const stream of ['e1b04', 'e2b00', 'control']) {
      expect(await send(stream)).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/e1b00 to e1b03/) })
    }
    expect(log.records.map(({ bucket }) => bucket)).toEqual([
      3,
      ...Array.from({ length: 3 }, () => bucketOf('relay-0', 4)),
    ])
  })

  test('past what it may hold it keeps nothing and says so; when there is room again it takes', async () => {
    gateway = openGateway({ log: log.log, layout, clock, limits: { batches: 2, bytes: 10_000 } })
    log.hold()
    const first = [gateway.receive(hub, good, 'mqtt'), gateway.receive(hub, good, 'mqtt')]
    await expect(gateway.receive(hub, good, 'mqtt')).rejects.toMatchObject({ kind: 'limit', outcome: 'did-not-happen' })
    await waitUntil(() => log.records.length === 2)
    for (const { settle } of log.records) settle()
    await Promise.all(first)
    const big = gateway.receive(hub, Buffer.alloc(10_000), 'mqtt')
    await expect(gateway.receive(hub, good, 'mqtt')).rejects.toThrow(/limits are 2 and 10000/)
    await waitUntil(() => log.records.length === 3)
    log.records[2]?.settle()
    await big
  })

  test('past it, who waits comes in in turn, also before who comes when there is room again', async () => {
    gateway = openGateway({ log: log.log, layout, clock, limits: { batches: 2, bytes: 10_000 } })
    log.hold()
    const order: number[] = []
    const send = (i: number) => gateway.receive(hub, good, 'mqtt', 'wait').then(() => order.push(i))
    const all = [0, 1, 2, 3].map(send)
    await waitUntil(() => log.records.length === 2)
    expect(gateway.counts()).toMatchObject({ in_flight: 2, waiting: 2, turned_away: 0 })
    log.records[0]?.settle()
    await waitUntil(() => log.records.length === 3)
    expect(gateway.counts()).toMatchObject({ in_flight: 2, waiting: 1 })
    await expect(gateway.receive(hub, good, 'https')).rejects.toMatchObject({ kind: 'limit' })
    log.records[1]?.settle()
    await waitUntil(() => log.records.length === 4)
    for (const { settle } of log.records.slice(2)) settle()
    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3])
    expect(gateway.counts()).toMatchObject({ in_flight: 0, in_flight_bytes: 0, waiting: 0, turned_away: 1 })
  })

  test('a small batch does not pass a large one that waits for room', async () => {
    const large = Buffer.concat([good, Buffer.alloc(9_000)])
    gateway = openGateway({ log: log.log, layout, clock, limits: { batches: 9, bytes: 9_000 + good.length } })
    log.hold()
    const first = gateway.receive(hub, good, 'mqtt', 'wait')
    const second = gateway.receive(hub, good, 'mqtt', 'wait')
    const third = gateway.receive(hub, large, 'mqtt', 'wait')
    const fourth = gateway.receive(hub, good, 'mqtt', 'wait')
    await waitUntil(() => log.records.length === 2)
    expect(gateway.counts()).toMatchObject({ in_flight: 2, waiting: 2 })
    for (const { settle } of log.records) settle()
    await Promise.all([first, second])
    await waitUntil(() => log.records.length === 3)
    expect(log.records[2]?.record.value.length).toBe(large.length)
    log.records[2]?.settle()
    await third
    await waitUntil(() => log.records.length === 4)
    log.records[3]?.settle()
    await fourth
  })

  test('is received when its last byte came, also a batch that waits for room', async () => {
    gateway = openGateway({ log: log.log, layout, clock, limits: { batches: 1, bytes: 10_000 } })
    log.hold()
    const came_ms = clock.now()
    const all = [gateway.receive(hub, good, 'mqtt', 'wait'), gateway.receive(hub, good, 'mqtt', 'wait')]
    await waitUntil(() => log.records.length === 1)
    await clock.advance(20_000)
    log.records[0]?.settle()
    await waitUntil(() => log.records.length === 2)
    log.records[1]?.settle()
    await Promise.all(all)
    expect(log.records.map(({ record }) => record.received_ms)).toEqual([came_ms, came_ms])
  })

  test('a batch refused for good is answered when it is kept, not before', async () => {
    log.hold()
    let answered = false
    const answer = gateway.receive(hub, Buffer.from('no batch'), 'mqtt').then((said) => {
      answered = true
      return said
    })
    await waitUntil(() => log.records.length === 1)
    await clock.advance(1_000)
    expect(answered).toBe(false)
    log.records[0]?.settle()
    expect(await answer).toMatchObject({ kind: 'refused' })
  })

  test('who waits for room while it closes is told so, and nothing of it is kept', async () => {
    gateway = openGateway({ log: log.log, layout, clock, limits: { batches: 1, bytes: 10_000 } })
    log.hold()
    const first = gateway.receive(hub, good, 'mqtt', 'wait')
    const second = gateway.receive(hub, good, 'mqtt', 'wait')
    await waitUntil(() => log.records.length === 1)
    const closing = gateway.close()
    await expect(second).rejects.toMatchObject({ kind: 'closed', outcome: 'did-not-happen' })
    log.records[0]?.settle()
    await Promise.all([first, closing])
    expect(log.records.length).toBe(1)
  })

  test('a hub over its rate is answered later, and never refused', async () => {
    gateway = openGateway({ log: log.log, layout, clock, pace: openPace(clock, { events_per_second: 50, burst: 100 }) })
    // Each counts for 75: its events, the ranges that it lists, the boots and theirs.
    const previous = [{ boot: '2-6-00000000', next: 9, acked: 0, dropped: ranges(4), held: true }]
    const batch = batchOf(events(60), { boot, dropped: ranges(10), previous })
    const send = () => gateway.receive(hub, batch, 'mqtt')
    expect(await send()).toEqual({ kind: 'durable' })
    let answered = false
    const late = send().then(() => (answered = true))
    await waitUntil(() => clock.nextTimer_ms() !== undefined)
    await clock.advance(999)
    expect(answered).toBe(false)
    await clock.advance(1)
    await late
    expect(log.records.length).toBe(2)
  })

  test('knows the highest boot counter of a source, also from before it was opened', async () => {
    gateway = openGateway({ log: log.log, layout, clock, knownFloor: (source) => (source === 'demo-02' ? 9 : 0) })
    await gateway.receive(hub, batchOf([], { boot: '2-7-00000001' }), 'mqtt')
    await gateway.receive(hub, batchOf([], { boot: '2-5-00000001' }), 'mqtt')
    expect(['demo-01', 'demo-02', 'demo-03'].map((source) => gateway.floor(source))).toEqual([7, 9, 0])
  })

  test('tells the floor only to a running boot that is below it', async () => {
    gateway = openGateway({ log: log.log, layout, clock, knownFloor: () => 7 })
    const send = (change: Parameters<typeof batchOf>[1]) => gateway.receive(hub, batchOf([], change), 'https')
    expect(await send({ boot: '2-7-00000001', now: 1 })).toEqual({ kind: 'durable' })
    expect(await send({ boot: '2-6-00000001', now: 1 })).toEqual({ kind: 'durable', floor: 7 })
    expect(await send({ boot: '2-6-00000001', now: undefined })).toEqual({ kind: 'durable' })
    expect(await send({ boot: '2-8-00000001', now: 1 })).toEqual({ kind: 'durable' })
    expect(await send({ boot: '2-7-00000001', now: 1 })).toEqual({ kind: 'durable', floor: 8 })
  })

  test('while draining it takes no more, and waits for what it has', async () => {
    log.hold()
    const answer = gateway.receive(hub, good, 'mqtt')
    let drained = false
    const closing = gateway.close().then(() => (drained = true))
    await expect(gateway.receive(hub, good, 'mqtt')).rejects.toMatchObject({ kind: 'closed' })
    await waitUntil(() => log.records.length === 1)
    expect(drained).toBe(false)
    log.records[0]?.settle()
    await closing
    expect(await answer).toEqual({ kind: 'durable' })
  })
})

function boots(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const boot = `1-${i + 1}-00000000`
    return { boot, next: 1, acked: 1, dropped: [], held: false }
  })
}

function ranges(count: number): number[][] {
  return Array.from({ length: count }, (_, i) => [2 * i, 2 * i + 1])
}

/** With one bit in the middle the other way round. */
function turned(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10
  return bytes
}

/** A plain batch of exactly so many bytes. */
function paddedTo(make: (bytes: number) => Buffer, bytes: number): Buffer {
  const overhead = make(100).length - 100
  return make(bytes - overhead)
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
