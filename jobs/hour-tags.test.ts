import { expect, test } from 'vitest'
import { decodeHours, decodeWideHours, encodeHours } from './hour-tags.ts'
import type { HourRecord } from './ledger.ts'
import { HOUR_MS } from './limits.ts'

const DAY = Date.UTC(2026, 10, 20)
const at = (hour: number) => DAY + hour * HOUR_MS

function record(change: Partial<HourRecord> = {}): HourRecord {
  const same = { inputs: { events: 7, hubs: 3 }, open: false, revision: 2, definition: 'd' }
  return { ...same, carry: '', out: '', rows: 'aaaa', ...change }
}

const cases: Readonly<Record<string, readonly (readonly [number, HourRecord])[]>> = {
  'hours that carry nothing': [0, 1, 2].map((hour) => [at(hour), record()]),
  'a chain from the day before': [
    [at(0), record({ carry: 'x', out: 'y' })],
    [at(1), record({ carry: 'y', out: 'z' })],
  ],
  'a chain that is broken, and one that was made without what it goes on from': [
    [at(3), record({ carry: 'x', out: 'y' })],
    [at(4), record({ carry: 'other', out: 'z' })],
    [at(5), record({ carry: '', out: 'z' })],
  ],
  'hours that are missing': [
    [at(2), record({ out: 'y' })],
    [at(9), record({ out: 'z', carry: 'y' })],
    [at(23), record({ out: 'z' })],
  ],
  'hours that were made of other versions, by another revision, or still run': [
    [at(0), record()],
    [at(1), record({ inputs: { events: 8, hubs: 3 } })],
    [at(2), record({ inputs: { events: 8 } })],
    [at(3), record({ inputs: { events: 8 }, revision: 3, definition: 'e' })],
    [at(4), record({ inputs: { events: 8 }, revision: 3, definition: 'e', open: true })],
  ],
  'a whole history': [[0, record()]],
  nothing: [],
}

test.each(Object.entries(cases))('%s come back as they were', (_, hours) => {
  const day_ms = hours[0]?.[0] === 0 ? 0 : DAY
  const back = decodeHours(encodeHours(new Map(hours)), day_ms)
  expect([...(back ?? [])]).toEqual(hours)
})

test('a day of hours of one make takes less than a kilobyte', () => {
  const hash = (hour: number) => hour.toString(16).padStart(16, '0')
  const hours = Array.from({ length: 24 }, (_, hour): [number, HourRecord] => [
    at(hour),
    record({ rows: hash(hour), out: hash(hour + 1), carry: hour === 0 ? '' : hash(hour) }),
  ])
  expect(encodeHours(new Map(hours)).length).toBeLessThan(1_000)
})

test('the form before is read, its hashes cut', () => {
  const long = record({ rows: '0123456789abcdef0123', carry: 'fedcba98765432100000', out: '' })
  const text = JSON.stringify({ [new Date(at(1)).toISOString()]: long })
  const expected = { ...long, rows: '0123456789abcdef', carry: 'fedcba9876543210' }
  expect([...(decodeWideHours(text) ?? [])]).toEqual([[at(1), expected]])
})

test.each(['', '{', '[{"from":24}]', '{"a":1}'])('%s is of neither form', (text) => {
  expect(decodeHours(text, DAY)).toBeUndefined()
  expect(decodeWideHours(text)).toBeUndefined()
})
