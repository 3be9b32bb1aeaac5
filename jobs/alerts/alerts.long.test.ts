import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { messageOf, Problem, type ProblemKind } from '../../contract/problem.ts'
import { openQuery, type Query } from '../../lake/query.ts'
import { seededRandom } from '../../sim/clock.ts'
import { HOUR_MS } from '../limits.ts'
import { alive, batch, command, connected, enrolled, type History, openHistory, type Row } from '../testing/history.ts'
import { type Alerts, openAlerts } from './alerts.ts'
import { MINUTE_MS } from './burn-rate.ts'
import type { Notification } from './notification.ts'
import type { Receiver } from './receiver.ts'

const T0 = Date.UTC(2026, 10, 20, 8)
const { signal } = new AbortController()
const [PAGE, TICKET] = ['test/command-success/page/1', 'test/command-success/ticket/1']

let history: History
let query: Query
let told: Notification[]
let untold: unknown[]
let unexplained: unknown[]
let reminded: string[]
/** What the receiver answers to a change of that id. */
let answer: (id: string) => ProblemKind | undefined

/** A receiver that is this test. */
const receiver: Receiver = {
  name: 'here',
  async tell(one) {
    const kind = answer(one.id)
    if (kind) throw new Problem(kind, `${one.id}: ${kind}`)
    told.push(one)
  },
}

beforeEach(async () => {
  told = []
  untold = []
  unexplained = []
  reminded = []
  answer = () => undefined
  history = await openHistory(T0 + HOUR_MS)
  query = await openQuery({ lake: history.lake, clock: history.clock, threads: 1 })
  await history.add([enrolled('north', T0), ...connected('north', T0, T0 + HOUR_MS), ...commands(0, 60, 'done')])
  await history.jobs.run()
})
afterEach(async () => {
  await query[Symbol.asyncDispose]()
  await history[Symbol.asyncDispose]()
})

/** Two commands in each of these minutes. */
function commands(from: number, to: number, outcome: string): Row[] {
  return Array.from({ length: 2 * (to - from) }, (_, i) => i).flatMap((i) =>
    command('north', `${outcome} ${from} ${i}`, T0 + (from + i / 2) * MINUTE_MS, [
      ['issued', 0],
      [outcome, 1],
    ]),
  )
}

function scheduler(seed: number, to = receiver): Alerts {
  const { lake, clock } = history
  return openAlerts({
    ...{ lake, query, clock, random: seededRandom(seed) },
    ...{ receivers: [to], dashboards_url: 'http://pages', changed: () => undefined },
    told: () => undefined,
    unexplained: (error) => unexplained.push(error),
    untold: (name, error, refused) => untold.push([name, messageOf(error), refused?.id]),
  })
}

/** Minutes pass, with commands of that outcome, and the jobs run. */
async function pass(minutes: number, outcome?: string): Promise<void> {
  const from_ms = history.clock.now()
  const from = (from_ms - T0) / MINUTE_MS
  await history.clock.advance(minutes * MINUTE_MS)
  await history.add([
    ...alive('north', from_ms, history.clock.now()),
    ...(outcome ? commands(from, from + minutes, outcome) : []),
  ])
  await history.jobs.run()
}

const changes = async () =>
  (await history.rows('slo_alerts', `objective = 'command-success'`)).map((row) => [
    row['severity'],
    Number(row['sequence']),
    row['previous'],
    row['state'],
  ])

test('what burns is told with what stands behind it, once, and that it is over', async () => {
  const alerts = scheduler(1)
  await alerts.tick(signal)
  expect(told).toEqual([])
  await pass(20, 'offline')
  await alerts.tick(signal)
  await alerts.tick(signal)
  const page = told.filter(({ objective, severity }) => objective === 'command-success' && severity === 'page')
  expect(page).toMatchObject([
    {
      ...{ id: 'test/command-success/page/1', state: 'firing', threshold: 14.4 },
      burns: [
        { window_ms: HOUR_MS, bad: 40, total: 120 },
        { window_ms: 5 * MINUTE_MS, bad: 10, total: 10 },
      ],
    },
  ])
  expect(page[0]?.summary).toBe(
    'page: command-success, 40 of 120 bad in 1h (33.3× over 1h, 100× over 5m), 100 % offline',
  )
  expect(page[0]?.behind).toContainEqual({
    dimension: 'outcome',
    name: 'offline',
    share_of_bad: 1,
    share_of_all: 0.333,
  })
  expect(page[0]?.links.commands).toBe(
    `http://pages/commands?from=2026-11-20T08%3A20%3A00.000Z&to=2026-11-20T09%3A20%3A00.000Z&outcome=offline`,
  )
  told = []
  await pass(31, 'done')
  await alerts.tick(signal)
  expect(
    told.filter(({ objective, severity }) => objective === 'command-success' && severity === 'page'),
  ).toMatchObject([{ state: 'ok', previous: 'firing', started_ms: T0 + 80 * MINUTE_MS, time_ms: T0 + 111 * MINUTE_MS }])
  told = []
  await scheduler(2, { ...receiver, name: 'without history', last_only: true }).tick(signal)
  expect(told.filter(({ severity }) => severity === 'page').map(({ state }) => state)).toEqual(['ok'])
})

test('a relay that gives no sign of life is told, though nothing is known to be bad, and that it does again', async () => {
  const alerts = scheduler(1)
  const page = () =>
    told.filter(({ objective, severity }) => `${objective}/${severity}` === 'connection-availability/page')
  const from_ms = history.clock.now()
  await history.clock.advance(4 * MINUTE_MS)
  await history.add([batch('north', from_ms + 3 * MINUTE_MS, 0, 1)])
  await history.jobs.run()
  await alerts.tick(signal)
  expect(page()).toMatchObject([{ state: 'unknown', previous: 'ok', behind: [] }])
  expect(page()[0]?.summary).toBe(
    'page: connection-availability: nothing is known of 1 of 1 hubs: no sign of life of relay-0 since 08:59Z',
  )
  told = []
  await pass(1, 'done')
  await alerts.tick(signal)
  expect(page()).toMatchObject([{ previous: 'unknown', started_ms: from_ms + 4 * MINUTE_MS }])
  expect(page()[0]?.summary).toMatch(/^page: connection-availability is known again: too little data, /)
})

test('without traffic an alert ends by the rule that fired, and nobody is told that all is well', async () => {
  const alerts = scheduler(1)
  await pass(20, 'offline')
  await alerts.tick(signal)
  told = []
  await pass(31)
  await alerts.tick(signal)
  expect(told).toMatchObject([{ objective: 'command-success', severity: 'page', state: 'too little data' }])
  expect(told[0]?.summary).toBe(
    'page: command-success does not fire any more: too little data, which is no recovery (69× over 1h, no commands in the last 5m)',
  )
})

test('what a receiver does not want is said once, and keeps nothing else waiting', async () => {
  const alerts = scheduler(1)
  await pass(20, 'offline')
  answer = (id) => (id.includes('/page/') ? 'invalid' : undefined)
  await alerts.tick(signal)
  await alerts.tick(signal)
  expect(told.map(({ id }) => id)).toEqual([TICKET])
  expect(untold).toEqual([['here', `${PAGE}: invalid`, PAGE]])
})

test('what cannot be taken now waits with all that follow, and what was taken before it does not come again', async () => {
  await pass(20, 'offline')
  for (const [wrong, left] of [
    [TICKET, [TICKET]],
    [PAGE, [PAGE, TICKET]],
  ] as const) {
    const name = `without ${wrong}`
    told = []
    untold = []
    answer = (id) => (id === wrong ? 'unauthorized' : undefined)
    await scheduler(1, { ...receiver, name }).tick(signal)
    expect(untold).toEqual([[name, `${wrong}: unauthorized`, undefined]])
    answer = () => undefined
    told = []
    await scheduler(2, { ...receiver, name }).tick(signal)
    expect(told.map(({ id }) => id)).toEqual(left)
  }
})

test('who is reminded of what fires is, though it takes no change', async () => {
  await pass(20, 'offline')
  answer = () => 'unavailable'
  const remind: Receiver['remind'] = async (firing) => void reminded.push(...firing.map(({ id }) => id))
  await scheduler(1, { ...receiver, remind }).tick(signal)
  expect(reminded).toEqual([PAGE, TICKET])
  expect(untold).toHaveLength(1)
})

test('an alert is told without what stands behind it where that cannot be found', async () => {
  const alerts = scheduler(1)
  await pass(20, 'offline')
  answer = () => 'unavailable'
  await alerts.tick(signal)
  await rm(join(history.folder, 'lake', 'command_traces'), { recursive: true })
  answer = () => undefined
  await alerts.tick(signal)
  expect(told.map(({ id, behind }) => [id, behind])).toEqual([
    [PAGE, []],
    [TICKET, []],
  ])
  expect(unexplained).toHaveLength(2)
})

test('two schedulers write a change once, and one that starts anew tells what was not told', async () => {
  const [one, other] = [scheduler(1), scheduler(2)]
  await one.tick(signal)
  await pass(20, 'offline')
  answer = () => 'unavailable'
  await Promise.all([one.tick(signal), other.tick(signal)])
  await other.tick(signal)
  expect(await changes()).toEqual([
    ['page', 1, 'ok', 'firing'],
    ['ticket', 1, 'ok', 'firing'],
  ])
  expect(told).toEqual([])
  answer = () => undefined
  await scheduler(3).tick(signal)
  expect(told.map(({ id }) => id)).toEqual([PAGE, TICKET])
  await one.tick(signal)
  await other.tick(signal)
  expect(told).toHaveLength(2)
})

test('a receiver that is new is told of what fires, and of nothing that was over a day ago', async () => {
  await pass(20, 'offline')
  await scheduler(1).tick(signal)
  told = []
  await scheduler(2, { ...receiver, name: 'new' }).tick(signal)
  expect(told).toHaveLength(2)
  await history.clock.advance(25 * HOUR_MS)
  await scheduler(1).tick(signal)
  await history.clock.advance(25 * HOUR_MS)
  told = []
  const late = scheduler(3, { ...receiver, name: 'late' })
  await late.tick(signal)
  expect(told).toEqual([])
  const { version } = await (await history.lake.table('slo_alerts')).snapshot()
  await late.tick(signal)
  expect((await (await history.lake.table('slo_alerts')).snapshot()).version).toBe(version)
})

test('rows that the links lead to can be asked', async () => {
  await pass(20, 'offline')
  await scheduler(1).tick(signal)
  const [page] = told
  const sql = new URL(page?.links.rows ?? '').searchParams.get('sql') ?? ''
  expect((await query.run(sql)).rows).toHaveLength(40)
})
