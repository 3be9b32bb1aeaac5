/** Wrong use, as a person meets it: one line that says what was wrong and what to do, and exit code 2. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSystem, type System } from './testing/system.ts'

let system: System
beforeAll(async () => {
  system = await openSystem()
})
afterAll(() => system[Symbol.asyncDispose]())

it.each<[string, RegExp]>([
  ['sq', /unknown command sq; did you mean sql\?/],
  ['help sq', /did you mean sql\?/],
  ['sql', /missing required argument 'select' \(hearth sql --help shows how\)/],
  ['sql --lmit 3 x', /unknown option '--lmit'; did you mean --limit\?/],
  ['sql --limit abc x', /--limit.*'abc' is invalid. expected a whole number from 1 to 1000000/],
  ['jobs pla', /unknown command 'pla'; did you mean plan\?/],
  ['jobs explain hub_hour 2026-11-24T13', /no metric hub_hour; did you mean hub_hours\?/],
  ['jobs backfill --from garbage --to 2026-11-25', /--from: expected a day or an hour .*found "garbage"/],
  ['hub', /say which hub to run/],
])('hearth %s', async (line, said) => {
  const { code, stdout, stderr } = await system.run(line.split(' '))
  expect(stderr).toMatch(said)
  expect(stderr).toMatch(/^hearth: [^\n]+\n$/)
  expect([code, stdout]).toEqual([2, ''])
})

it.each(['', '--help', 'help sql', 'help registry token create'])('help: hearth %s', async (line) => {
  const { code, stdout, stderr } = await system.run(line === '' ? [] : line.split(' '))
  expect(stdout).toMatch(/^Usage: hearth[^]*\nExamples?:\n {2}hearth/)
  expect([code, stderr]).toEqual([0, ''])
})

it('a file that is not there is named, without a word about bugs', async () => {
  const { code, stderr } = await system.run(['verify', '--acks', 'acks.ndjson'])
  expect(stderr).toMatch(/^hearth: --acks: acks.ndjson cannot be read: it, or its folder, is not there\n$/)
  expect(code).toBe(1)
})
