import { expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { unpack } from './batch-codec.ts'
import { type MemoryDisk, memoryDisk } from './memory-disk.ts'
import { openOutbox } from './outbox.ts'

const open = (disk: MemoryDisk, more: { readonly batch_bytes?: number } = {}) =>
  openOutbox({
    ...more,
    ...{ disk, clock: new ManualClock(), random: seededRandom(1), source: 'demo-01', generation: 1 },
    ...{ firmware: '4.2.1', agent: '1.0.0', codec: 'plain', streams: [{ name: 'control' }] },
  })

test('what is appended together is one entry of the disk, and numbered line by line', async () => {
  const disk = memoryDisk()
  const outbox = await open(disk)
  const events = ['issued', 'routed', 'sent'].map((stage) => ({ m: 1, kind: 'command', stage }))
  expect(outbox.appendAll('control', events)).toBe(0)
  expect(outbox.append('control', { m: 2, kind: 'command', stage: 'done' })).toBe(3)
  const numbers = disk.scan('outbox/line/', 'outbox/line/~').map(({ key }) => Number(key.split('/').at(-1)))
  expect(numbers).toEqual([0, 3])
  expect(outbox.status()).toMatchObject([{ events: 4 }])
})

test('of an entry that another run left a batch has all, under the same numbers', async () => {
  const disk = memoryDisk()
  const before = await open(disk)
  before.appendAll('control', [
    { m: 1, kind: 'log', text: 'a' },
    { m: 1, kind: 'log', text: 'b' },
  ])
  const outbox = await open(disk.kill())
  const batch = outbox.take('control')
  expect(batch).toMatchObject({ boot: before.boot(), first: 0, count: 2 })
})

test('what it counts of bytes and events is the same once it was opened anew', async () => {
  const disk = memoryDisk()
  const options = { batch_bytes: 4_096 }
  const outbox = await open(disk, options)
  const event = { m: 1, kind: 'log', text: 'x'.repeat(100) }
  for (let i = 0; i < 20; i++) outbox.appendAll('control', [event, event, event])
  for (let i = 0; i < 20; i++) outbox.append('control', event)
  const counted = outbox.status()
  expect(counted[0]?.batches).toBeGreaterThan(0)
  expect((await open(disk.kill(), options)).status()).toEqual(counted)
})

test('reads what format 1 left, and says from then on that it is format 2', async () => {
  const disk = memoryDisk()
  const json = (value: object) => Buffer.from(JSON.stringify(value))
  const boot = '1-1-aaaaaaaa'
  const path = '000000001-000000001-aaaaaaaa/control'
  disk.write([
    { put: 'outbox/meta', value: json({ version: 1, source: 'demo-01', counter: 1 }) },
    {
      put: 'outbox/boot/000000001-000000001-aaaaaaaa',
      value: json({ boot, wall: 5, firmware: '4.2.1', agent: '1.0.0' }),
    },
    { put: `outbox/account/${path}`, value: json({ next: 4, dropped: [] }) },
    ...[4, 5].map((seq) => ({
      put: `outbox/line/${path}/${String(seq).padStart(16, '0')}`,
      value: Buffer.from(`{"m":${seq},"kind":"log"}\n`),
    })),
  ])
  const outbox = await open(disk)
  const batch = outbox.take('control')
  expect(batch).toMatchObject({ boot, first: 4, count: 2 })
  const [, ...lines] = unpack(outbox.transmit(batch ?? expect.fail('a batch')).bytes)
    .toString()
    .trimEnd()
    .split('\n')
  expect(lines).toEqual(['{"m":4,"kind":"log"}', '{"m":5,"kind":"log"}'])
  expect(JSON.parse(Buffer.from(disk.get('outbox/meta') ?? '').toString())).toMatchObject({ version: 2 })
})
