import { Problem } from '../contract/problem.ts'

/**
 * The hour that an option or argument names: `2026-11-24T13`, or a day, whose first hour it is. Raises `invalid`, naming it
 * and both forms.
 */
export function hourOption(name: string, text: string): number {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::00(?::00(?:\.000)?)?)?)?Z?$/.exec(text)
  const hour = match && `${match[1]}T${match[2] ?? '00'}`
  const time_ms = Date.parse(`${hour}:00:00Z`)
  // What is no day of its month is another day for `Date`.
  if (Number.isNaN(time_ms) || !new Date(time_ms).toISOString().startsWith(`${hour}:`))
    throw new Problem(
      'invalid',
      `${name}: expected a day or an hour (UTC), as 2026-11-24 or 2026-11-24T13; found ${JSON.stringify(text)}`,
    )
  return time_ms
}
