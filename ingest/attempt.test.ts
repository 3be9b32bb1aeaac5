import { expect, test } from 'vitest'
import { bytesOf, isFull } from './attempt.ts'
import { readPayload } from './payload.ts'
import { batchOf, reading } from './testing/batch.ts'

test('an attempt is full of headers too: of what they list each counts for more than the batch has bytes for it', () => {
  const dropped = Array.from({ length: 1_000 }, (_, i) => [1_000_000 + 2 * i, 1_000_001 + 2 * i])
  const previous = [1, 2].map((counter) => ({ boot: `1-${counter}-00000000`, next: 0, acked: 0, dropped, held: true }))
  const batch = batchOf([], { boot: '1-9-00000000', dropped, previous })
  const bytes = bytesOf(readPayload(batch))
  expect(bytes).toBeGreaterThan(3_000 * 128)
  const planned = { planned: [], events: 0 }
  const count = Array.from({ length: 1_000 }, (_, i) => i).findIndex((i) => isFull({ ...planned, bytes: i * bytes }))
  expect(count).toBeGreaterThan(100)
  expect(count).toBeLessThan(400)
})

test('a batch that lists nothing adds its lines alone', () => {
  const { header, lines } = readPayload(batchOf([reading(1, 2), reading(2, 3)]))
  expect(bytesOf({ header, lines })).toBe(lines.length)
  expect(bytesOf({ header: undefined, lines })).toBe(lines.length)
})
