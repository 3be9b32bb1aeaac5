import { expect, test } from 'vitest'
import { extended } from './catalogue.ts'
import { HOUR_MS } from './limits.ts'
import { parseMetric } from './metric.ts'
import { command, openHistory } from './testing/history.ts'
import { LAMP_SELECT, lampHours } from './testing/lamp-hours.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

/** What a run says of a metric. */
async function said(text: string): Promise<unknown> {
  const metrics = extended([parseMetric('lamp_hours.sql', text)]).filter(({ name }) => name === 'lamp_hours')
  await using history = await openHistory(T0 + 2 * HOUR_MS, 1, metrics)
  await history.add(command('demo-01', 'c', T0 + 60_000, [['issued', 0]]))
  return await history.jobs.run().catch((error: unknown) => error)
}

const LAMP = lampHours()
test.each([
  [
    'the SELECT',
    LAMP.replace('COUNT(*) AS', '\n  COUNT(homes) AS'),
    /^lamp_hours: its SELECT: Binder Error: .*"homes".*\n(.*\n)*LINE 2: {3}COUNT\(homes\)/,
  ],
  ['only', LAMP.replace("kind = 'command'", "kinds = 'command'"), /^lamp_hours: its only: Binder Error: .*"kinds"/],
  ['a check', LAMP.replace('commands > 0', 'orders > 0'), /^lamp_hours: its check "some": Binder Error: .*"orders"/],
  [
    'carry',
    LAMP.replace('-- owner', '-- carry: hub_id where orders > 0\n-- owner'),
    /^lamp_hours: its carry: Binder Error: .*"orders"/,
  ],
  [
    'a value',
    LAMP.replace('COUNT(*) AS', "CAST(MAX('x' || stage) AS BIGINT) AS"),
    /^lamp_hours: its SELECT: Conversion Error: .*'xissued'/,
  ],
  [
    'a column that the SELECT lacks',
    lampHours(LAMP_SELECT.replace('hub_id, COUNT(*) AS commands', 'hub_id')),
    /^lamp_hours: its SELECT: it does not give "commands", which is a column of the header$/,
  ],
  [
    'a column of another name',
    LAMP.replace('AS commands', 'AS orders'),
    /its SELECT: it does not give "commands", which is .*; it gives "orders", which is no column of the header$/,
  ],
])('a mistake in %s is invalid, and is told with where it is', async (_, text, message) => {
  expect(await said(text)).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) })
})
