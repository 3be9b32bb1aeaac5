import { expect, test } from 'vitest'
import { parseMetric } from './metric.ts'
import { lampHours } from './testing/lamp-hours.ts'

const LAMP = lampHours()
const read = (text: string, file = 'own/lamp_hours.sql') => parseMetric(file, text)

test('a header that lacks a line is refused by its name', () => {
  expect(() => read('-- metric: lamp_hours\nSELECT 1')).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: 'own/lamp_hours.sql: the header lacks "-- unit: …"',
    }),
  )
})

test.each([
  ['meaning: commands', 'meening: commands', '2: meening: expected meaning, as it seems; found meening'],
  ['only: kind', 'onnly: kind', '7: onnly: expected only, as it seems; found onnly'],
  ['owner: kitchen', 'cook: kitchen', '9: cook: expected one of metric, meaning, grain, unit, '],
  ['owner: kitchen', 'owner:', '9: owner: expected a value, found none'],
  ['owner: kitchen', 'unit: hour', '9: unit: expected once, found in line 4 as well'],
  ['metric: lamp_hours', 'metric: lamp_nono', '1: metric: expected the name of the file, lamp_hours, found lamp_nono'],
  ['metric: lamp_hours', 'metric: Lamp', '1: metric: expected small letters, digits and _, found Lamp'],
  [
    'unit: hour',
    'unit: minute',
    '4: unit: expected one of hour; hour of all buckets; day of all buckets; bucket, found minute',
  ],
  ['unit: hour', 'unit: day of all buckets', '4: unit: expected with this unit a column "day", found none'],
  ['column: bucket', 'column: b', '4: unit: expected with this unit a column "bucket", found none'],
  ['keys: hub_id', 'keys: hub', '5: keys: expected names of its columns (hour, bucket, hub_id, commands), found "hub"'],
  [
    'events by hour',
    'events by day',
    '6: inputs: expected tables, each alone or with one of by hour; by issued; by receipt; by validity, found "events by day"',
  ],
  ['events by hour', 'events by issued, events', '6: inputs: expected all rows of events to go by one time, found'],
  ['owner: kitchen', 'owner: k\n-- carry: hub', '10: carry: expected names of its columns (hour, bucket, hub_id'],
  ['revision: 1', 'revision: 1.5', '10: revision: expected a whole number from 1, found 1.5'],
  [
    'commands long',
    'commands bigint',
    '14: column: expected a type of string, long, integer, double, boolean, timestamp, found bigint',
  ],
  [
    'commands long commands —',
    'commands',
    '14: column: expected "name type [unit] — meaning", found commands commands',
  ],
  ['column: commands', 'column: hour', '14: column: expected each column once, found "hour" again'],
  ['check: some — ', 'check: some ', '15: check: expected "name — condition", found some commands > 0'],
  ['-- check', '--\n-- check', '16: check: expected in the header, which ends before line 15; found after it'],
  ['-- only', '\n-- onyl', '8: onyl: expected in the header, which ends before line 7; found after it'],
])('a mistake in the header is told with its line: %s -> %s', (right, wrong, said) => {
  expect(() => read(LAMP.replace(right, wrong))).toThrow(`own/lamp_hours.sql:${said}`)
})

test('a file without a SELECT is refused', () => {
  for (const select of ['', '-- to come', ';'])
    expect(() => read(lampHours(select))).toThrow('own/lamp_hours.sql: no SELECT after the header')
})

test('dashes, spaces and ends of lines may be others', () => {
  const { hash } = read(LAMP)
  expect(read(LAMP.replaceAll(' — ', ' - ')).hash).toBe(hash)
  expect(read(LAMP.replaceAll('\n', '\r\n')).hash).toBe(hash)
  expect(read(LAMP.replaceAll('-- ', '--  ')).hash).toBe(hash)
  const [column] = read(LAMP.replace('hour timestamp — the hour, UTC', 'hour timestamp - the hour - UTC')).columns
  expect(column).toEqual({ name: 'hour', type: 'timestamp', meaning: 'the hour - UTC' })
  const [check] = read(LAMP.replace('commands > 0', 'commands - 1 >= 0')).checks
  expect(check).toEqual({ name: 'some', condition: 'commands - 1 >= 0' })
})

test('a comment of the SELECT is none of the header', () => {
  const select = '-- Counted: by hub.\n-- note: see above\nSELECT 1'
  expect(read(lampHours(select)).sql).toBe(select)
})
