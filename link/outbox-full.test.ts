/** An outbox on a disk that has no room, as its memory tells it. */
import { expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { type MemoryDisk, memoryDisk } from './memory-disk.ts'
import { openOutbox } from './outbox.ts'

const open = (disk: MemoryDisk) =>
  openOutbox({
    ...{ disk, clock: new ManualClock(), random: seededRandom(1), source: 'demo-01', generation: 1 },
    ...{ firmware: '4.2.1', agent: '1.0.0', batch_bytes: 1_024 },
    streams: ['control', 'readings'].map((name) => ({ name, max_bytes: 16 * 1024 })),
  })

async function withReadings() {
  const disk = memoryDisk()
  const outbox = await open(disk)
  for (let i = 0; i < 40; i++) outbox.append('readings', { m: i, kind: 'reading', text: 'x'.repeat(40) })
  return { disk, outbox }
}

test('gives up the oldest readings for a command’s result', async () => {
  const { disk, outbox } = await withReadings()
  disk.fill(1)
  outbox.append('control', { m: 1, kind: 'command' })
  expect(outbox.status().map((one) => one.dropped > 0)).toEqual([false, true])
})

test('gives up the oldest batch to begin its next boot, and counts what it keeps', async () => {
  const { disk, outbox } = await withReadings()
  const [, held] = outbox.status()
  disk.fill(1)
  const [, kept] = (await open(disk)).status()
  expect(kept?.dropped).toBeGreaterThan(0)
  expect((kept?.events ?? 0) + (kept?.dropped ?? 0)).toBe(held?.events)
  expect(kept?.bytes).toBeLessThan(held?.bytes ?? 0)
  expect(kept?.bytes).toBeGreaterThan(0)
})

test('that holds nothing raises what the disk says', async () => {
  const disk = memoryDisk()
  disk.fill(1)
  await expect(open(disk)).rejects.toThrow(/no room on the disk/)
})
