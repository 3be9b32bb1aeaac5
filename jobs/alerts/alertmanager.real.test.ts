/** Alerts as a real Alertmanager takes them, and passes them on. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import { until } from '../../cli/testing/system.ts'
import { type Alertmanager, startAlertmanager } from '../../infra/prometheus/alertmanager.ts'
import { openAlertmanager } from './alertmanager.ts'
import type { Notification } from './notification.ts'
import { type Catcher, openCatcher } from './testing/catcher.ts'

const LIMIT_MS = 30_000
const { signal } = new AbortController()
const started_ms = machineClock.now() - 120_000

let catcher: Catcher
let server: Alertmanager
beforeAll(async () => {
  catcher = await openCatcher()
  server = await startAlertmanager(catcher.url)
}, 120_000)
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await catcher?.[Symbol.asyncDispose]()
})

function notification(objective: string, state: 'firing' | 'unknown' | 'ok'): Notification {
  return {
    ...{ id: `test/${objective}/page/1`, fleet: 'test', objective, severity: 'page', state },
    previous: state === 'firing' ? 'ok' : 'firing',
    ...{
      time_ms: state === 'firing' ? started_ms : machineClock.now(),
      started_ms,
      summary: `${objective} burns`,
      burns: [],
    },
    threshold: 14.4,
    behind: [{ dimension: 'firmware', name: '5.0.0', share_of_bad: 0.931, share_of_all: 0.12 }],
    links: {
      commands: 'http://pages/commands?outcome=offline',
      rows: 'http://pages/query',
      fleet: 'http://pages/fleet',
    },
  }
}

const listed = z.array(
  z.object({
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    ...{ startsAt: z.string(), endsAt: z.string(), generatorURL: z.string() },
  }),
)

/** Alerts of an objective that it takes for active. */
async function active(objective: string) {
  const answer = await fetch(`${server.url}/api/v2/alerts?active=true`)
  return listed.parse(await answer.json()).filter(({ labels }) => labels['objective'] === objective)
}

/** The states of an alert that it passed on. */
const passedOn = (objective: string) =>
  catcher.caught.flatMap(({ body }) => {
    const { alerts } = z
      .object({ alerts: z.array(z.object({ status: z.string(), labels: z.record(z.string(), z.string()) })) })
      .parse(JSON.parse(body))
    return alerts.filter(({ labels }) => labels['objective'] === objective).map(({ status }) => status)
  })

test('what fires is an alert with its labels, what stands behind it, and links; once over, it is over', async () => {
  const alertmanager = openAlertmanager({ url: server.url, clock: machineClock, random })
  await alertmanager.tell(notification('success', 'firing'), signal)
  const [alert] = await active('success')
  expect(alert).toMatchObject({
    labels: { alertname: 'HearthObjective', objective: 'success', severity: 'page', fleet: 'test' },
    annotations: {
      ...{ summary: 'success burns', firmware: 'firmware 5.0.0: 93.1 % of the bad, 12 % of all' },
      ...{ commands: 'http://pages/commands?outcome=offline', rows: 'http://pages/query' },
    },
    startsAt: new Date(started_ms).toISOString(),
    generatorURL: 'http://pages/fleet',
  })
  await until('it is passed on', LIMIT_MS, () => passedOn('success').includes('firing'))
  await alertmanager.tell(notification('success', 'ok'), signal)
  await until('it is passed on that it is over', LIMIT_MS, () => passedOn('success').at(-1) === 'resolved')
  expect(await active('success')).toEqual([])
})

test('what still fires is told with a later end, and is the same alert', async () => {
  let ahead_ms = 0
  const clock = { ...machineClock, now: () => machineClock.now() + ahead_ms }
  const alertmanager = openAlertmanager({ url: server.url, clock, random })
  const firing = notification('loss', 'firing')
  await alertmanager.tell(firing, signal)
  const [before] = await active('loss')
  ahead_ms = 60_000
  await alertmanager.remind?.([firing], signal)
  const [after] = await active('loss')
  expect(Date.parse(after?.endsAt ?? '') - Date.parse(before?.endsAt ?? '')).toBeGreaterThanOrEqual(60_000)
  expect(after).toMatchObject({ startsAt: before?.startsAt, labels: before?.labels })
  expect(await active('loss')).toHaveLength(1)
})

test('what becomes unknown is another alert, and fires no more', async () => {
  const alertmanager = openAlertmanager({ url: server.url, clock: machineClock, random })
  await alertmanager.tell(notification('connection', 'firing'), signal)
  await alertmanager.tell(notification('connection', 'unknown'), signal)
  await until('the other is over', LIMIT_MS, async () => (await active('connection')).length === 1)
  expect(await active('connection')).toMatchObject([{ labels: { alertname: 'HearthUnknown', severity: 'page' } }])
})

test('one that is gone is a fault, and takes it once it is back', async () => {
  const alertmanager = openAlertmanager({ url: server.url, clock: machineClock, random })
  await server.kill()
  await expect(alertmanager.tell(notification('light', 'firing'), signal)).rejects.toMatchObject({
    kind: 'unavailable',
  })
  await server.start()
  await alertmanager.tell(notification('light', 'firing'), signal)
  expect(await active('light')).toHaveLength(1)
})

test('what it does not understand is refused, and keeps out nothing that it is reminded of beside it', async () => {
  const alertmanager = openAlertmanager({ url: server.url, clock: machineClock, random })
  const wrong = { ...notification('light', 'firing'), started_ms: machineClock.now() + 86_400_000 }
  await expect(alertmanager.tell(wrong, signal)).rejects.toMatchObject({ kind: 'invalid' })
  const right = notification('beside it', 'firing')
  await expect(alertmanager.remind?.([wrong, right], signal)).rejects.toMatchObject({ kind: 'invalid' })
  expect(await active('beside it')).toHaveLength(1)
})
