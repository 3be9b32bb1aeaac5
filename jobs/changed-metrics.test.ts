/** What becomes of a metric whose file was changed, or is beside one like it. */
import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { calculateElsewhere } from './calculate-elsewhere.ts'
import type { Catalogue } from './catalogue.ts'
import { type JobsOptions, openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { parseMetric } from './metric.ts'
import { command, type History, openHistory } from './testing/history.ts'
import { LAMP_SELECT, lampHours } from './testing/lamp-hours.ts'
import { openPartRunner } from './testing/part-runner.ts'

const T0 = Date.UTC(2026, 10, 20, 20)
const HUBS = ['demo-01', 'demo-02', 'demo-03', 'demo-04']
const lamp = (text: string, name = 'lamp_hours') => parseMetric(name, text.replace('lamp_hours', name))

async function historyOf(metrics: Catalogue): Promise<History> {
  const history = await openHistory(T0 + 3 * HOUR_MS, 1, metrics)
  await history.add(
    HUBS.flatMap((hub) =>
      command(hub, `${hub}c`, T0 + 60_000, [
        ['issued', 0],
        ['done', 5],
      ]),
    ),
  )
  return history
}

let opened = 0
const jobsOf = ({ lake, clock }: History, metrics: Catalogue, more: Partial<JobsOptions> = {}) =>
  openJobs({
    ...{ lake, clock, random: seededRandom(50 + ++opened), metrics, ...more },
    scratch_folder: lake.store.localPath?.(`scratch-own-${opened}`) ?? '',
  })
const commandsOf = async (history: History, metric = 'lamp_hours') =>
  (await history.rows(metric)).map(({ commands }) => Number(commands))

test.each([undefined, 1])(
  'one that is mended, with a check for what it mends, is made anew: %s rows at once',
  async (rows) => {
    const first = lamp(lampHours(LAMP_SELECT.replace('COUNT(*)', '0 * COUNT(*)')).replace(/-- check.*\n/, ''))
    await using history = await historyOf([first])
    await history.jobs.run()
    expect(await commandsOf(history)).toEqual([0, 0, 0, 0])
    const second = lamp(lampHours().replace('revision: 1', 'revision: 2'))
    await using jobs = await jobsOf(history, [second], rows === undefined ? {} : { rows_at_once: rows })
    await jobs.run()
    expect(await commandsOf(history)).toEqual([1, 1, 1, 1])
  },
)

test('who calculates for others has the same checks, or refuses', async () => {
  const metrics = [lamp(lampHours().replace('commands > 0', 'commands > 1000'))]
  await using history = await historyOf(metrics)
  const { clock, lake } = history
  const runner = openPartRunner(history, { metrics: [lamp(lampHours())], tries: 1 })
  const calculate = () => calculateElsewhere({ lake, metrics, runner, clock, on_abort: 'leave' })
  await using jobs = await jobsOf(history, metrics, { calculate })
  await expect(jobs.run()).rejects.toThrow(/use the same Hearth for all/)
  expect(await commandsOf(history)).toEqual([])
})

test('two with the same text are each compared with their own columns', async () => {
  const more = lampHours().replace('-- check: some', '-- column: done long commands — commands done\n-- check: some')
  await using history = await historyOf([lamp(lampHours()), lamp(more, 'lamp_more')])
  await expect(history.jobs.run()).rejects.toThrow(/lamp_more: its SELECT: it does not give "done"/)
  expect(await commandsOf(history)).toEqual([1, 1, 1, 1])
})

test('one may be named as the rows of another', async () => {
  const reader = lampHours('SELECT hour, bucket, hub_id, commands FROM events_rows')
    .replace('events by hour', 'events_rows')
    .replace(/-- only.*\n/, '')
  const metrics = [lamp(lampHours(), 'events_rows'), lamp(reader, 'lamp_twice'), lamp(lampHours())]
  await using history = await historyOf(metrics)
  await history.jobs.run()
  for (const { name } of metrics) expect(await commandsOf(history, name), name).toEqual([1, 1, 1, 1])
})

test('hours of a ledger that has the hash of the whole file are of the same definition', async () => {
  const now = lamp(lampHours())
  await using history = await historyOf([{ ...now, hash: now.file_hash }])
  await history.jobs.run()
  await history.add(command('demo-01', 'late', T0 + 120_000, [['issued', 0]]))
  await using jobs = await jobsOf(history, [now])
  await jobs.run()
  expect((await commandsOf(history)).toSorted((a, b) => a - b)).toEqual([1, 1, 1, 2])
})

test.each<[string, (text: string) => string]>([
  ['a comment behind code', (text) => text.replace('AS commands\n', 'AS commands -- how many\n')],
  ['a comment at its end', (text) => `${text}-- ask the owner\n`],
  ['a comment before it', (text) => text.replace('\n\nSELECT', '\n\n-- first\nSELECT')],
  ['a comment in the middle', (text) => text.replace('FROM events', '/* x */\nFROM events')],
  ['spaces', (text) => text.replace("kind = 'command' AND", "kind  =  'command' AND")],
  ['another check', (text) => text.replace('commands > 0', 'commands > 1')],
  ['another meaning', (text) => text.replace('commands issued', 'issued')],
])('%s is no change of the definition', (_what, change) => {
  const text = lampHours()
  expect(change(text)).not.toBe(text)
  expect(lamp(change(text)).hash).toBe(lamp(text).hash)
})

test('a second space in quotes is one', () => {
  const spaced = (spaces: string) => lamp(lampHours().replace("'command'", `'com${spaces}mand'`)).hash
  expect(spaced('  ')).not.toBe(spaced(' '))
})

test.each<[string, (text: string) => string]>([
  ['another word in quotes', (text) => text.replace("'command'", "'com -- mand'")],
  ['spaces in quotes', (text) => text.replace("'command'", "'command '")],
  ['another column', (text) => text.replace('commands long', 'commands integer')],
])('%s is one', (_what, change) => {
  const text = lampHours()
  expect(lamp(change(text)).hash).not.toBe(lamp(text).hash)
})
