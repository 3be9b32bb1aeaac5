import { expect, test } from 'vitest'
import { hourOption } from './hour-option.ts'

test.each([
  ['2026-11-24', '2026-11-24T00:00:00.000Z'],
  ['2026-11-24T13', '2026-11-24T13:00:00.000Z'],
  ['2026-11-24 13:00Z', '2026-11-24T13:00:00.000Z'],
  ['2026-11-24T13:00:00.000Z', '2026-11-24T13:00:00.000Z'],
])('%s is the hour %s', (text, hour) => expect(new Date(hourOption('--from', text)).toISOString()).toBe(hour))

test.each(['2026-13-24', '2026-02-30', '2026-11-24T24', '2026-11-24T13:30', 'yesterday', ''])(
  'what is no hour is told with the name of the option and both forms: %s',
  (text) =>
    expect(() => hourOption('--from', text)).toThrow(
      `--from: expected a day or an hour (UTC), as 2026-11-24 or 2026-11-24T13; found "${text}"`,
    ),
)
