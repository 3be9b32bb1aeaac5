import { expect, test } from 'vitest'
import { type BatchAnswer, PROTOCOL_VERSION } from '../contract/batch.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { BACK_OFF_CAP_MS } from './limits.ts'
import { memoryDisk } from './memory-disk.ts'
import { openOutbox } from './outbox.ts'
import { shipOutbox } from './ship-outbox.ts'

/** An outbox on a disk in memory, and a cloud that answers as the test says. */
async function bench(answer: () => Promise<BatchAnswer>) {
  const disk = memoryDisk()
  const clock = new ManualClock()
  const random = seededRandom(1)
  const about = { source: 'demo-01', generation: 1, firmware: '1', agent: '1', codec: 'plain' } as const
  const outbox = await openOutbox({ ...about, disk, clock, random, streams: [{ name: 'readings' }] })
  const sent: Buffer[] = []
  const end = new AbortController()
  const shipper = shipOutbox({
    outbox,
    clock,
    random,
    signal: end.signal,
    send(bytes) {
      sent.push(Buffer.from(bytes))
      return answer()
    },
  })
  return { disk, clock, outbox, sent, end, shipper }
}

test('a batch is synced before it leaves for the first time', async () => {
  const { disk, clock, outbox, sent, end } = await bench(async () => ({ kind: 'durable' }))
  const left: number[] = []
  const { sync } = disk
  disk.sync = async () => {
    left.push(sent.length)
    await sync()
  }
  outbox.append('readings', { m: 1, kind: 'reading', value: 1 })
  expect(disk.unsynced).toBeGreaterThan(0)
  await clock.advance(BACK_OFF_CAP_MS)
  expect(sent).toHaveLength(1)
  expect(left[0]).toBe(0)
  expect(String(sent[0])).toContain(`"hearth":${PROTOCOL_VERSION}`)
  end.abort()
})

test.each<BatchAnswer>([{ kind: 'durable' }, { kind: 'refused', reason: 'no' }])(
  'an answer ($kind) that a full disk cannot write down is asked for again',
  async (answer) => {
    const { disk, clock, outbox, sent, end } = await bench(async () => {
      if (sent.length === 1) disk.fill(1)
      // Later batches only carry the account.
      return sent.length <= 2 ? answer : { kind: 'durable' }
    })
    outbox.append('readings', { m: 1, kind: 'reading', value: 1 })
    for (let waited_ms = 0; waited_ms < 5 * BACK_OFF_CAP_MS; waited_ms += 1_000) await clock.advance(1_000)
    expect(sent.length).toBeGreaterThanOrEqual(2)
    expect(outbox.pending('readings')).toBe(false)
    end.abort()
  },
)
