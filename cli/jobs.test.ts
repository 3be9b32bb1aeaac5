import { stripVTControlCharacters } from 'node:util'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { HOUR_MS } from '../jobs/limits.ts'
import { BUCKETS, connected, enrolled, type History, openHistory } from '../jobs/testing/history.ts'
import { configSchema } from './config.ts'
import { register } from './jobs.ts'
import { machineRandom as random } from './machine.ts'

const T0 = Date.UTC(2026, 10, 20)

async function oneHub(): Promise<History> {
  const history = await openHistory(T0 + 3 * HOUR_MS)
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + 2 * HOUR_MS)])
  return history
}

async function run({ clock, folder }: History, ...words: readonly string[]): Promise<string> {
  const printed: string[] = []
  const program = new Command().exitOverride()
  register(program, {
    ...{ home: folder, clock, random, config: configSchema.parse({ fleet: 'test', layout: { buckets: BUCKETS } }) },
    ...{ note: () => undefined, print: (line) => printed.push(line), signal: new AbortController().signal },
  })
  await program.parseAsync(['jobs', ...words], { from: 'user' })
  return stripVTControlCharacters(printed.join('\n'))
}

test('which hour of a day is explained is told', async () => {
  await using history = await oneHub()
  expect(await run(history, 'explain', 'hub_hours', '2026-11-20')).toMatch(
    /^hub_hours, the hour from 2026-11-20 00:00Z\n/,
  )
  expect(await run(history, 'explain', 'hubs', '2026-11-20T01')).toMatch(/^hubs, its whole history\n/)
})

test('a span of which nothing is known is told, and one of which all is made is not due', async () => {
  await using history = await oneHub()
  const of = async (year: number) => await run(history, 'backfill', '--from', `${year}-01-01`, '--to', `${year}-12-31`)
  const absent = `The lake has no hour of that span: nothing is known of so long ago; the next hour that it has is 2026-11-20T00:00Z.`
  expect((await of(2020)).split('\n').slice(2)).toEqual([expect.stringMatching(/^hubs /), absent])
  expect(await of(2020)).toBe(absent)
  expect(await of(2026)).toMatch(/^metric +units/)
  expect(await of(2026)).toBe('Nothing is due.')
})
