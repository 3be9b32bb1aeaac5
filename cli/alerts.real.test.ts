/** A scheduler as a process, of whose alerts a webhook and Alertmanager are told, though it is killed in between. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type Alertmanager, startAlertmanager } from '../infra/prometheus/alertmanager.ts'
import { type Catcher, openCatcher } from '../jobs/alerts/testing/catcher.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { BUCKETS, command, connected, enrolled, type History, openHistory } from '../jobs/testing/history.ts'
import { machineClock } from './machine.ts'
import { openSystem, type System, until } from './testing/system.ts'

const LIMIT_MS = 120_000
const MINUTE_MS = 60_000

let history: History
let catcher: Catcher
let passedOn: Catcher
let alertmanager: Alertmanager
let system: System

/** The lake of a fleet whose hub was not there for the last 20 minutes. */
beforeAll(async () => {
  const now_ms = machineClock.now()
  history = await openHistory(now_ms)
  const from_ms = now_ms - 2 * HOUR_MS
  const commands = Array.from({ length: 240 }, (_, i) =>
    command('north', `command ${i}`, from_ms + (i / 2) * MINUTE_MS, [
      ['issued', 0],
      [i < 200 ? 'done' : 'offline', 1],
    ]),
  )
  await history.add([enrolled('north', from_ms), ...connected('north', from_ms, now_ms), ...commands.flat()])
  catcher = await openCatcher()
  passedOn = await openCatcher()
  alertmanager = await startAlertmanager(passedOn.url)
  system = await openSystem({
    ...{ HEARTH_HOME: history.folder, HEARTH_FLEET: 'test', HEARTH_LAYOUT_BUCKETS: String(BUCKETS) },
    ...{ HEARTH_JOBS_INTERVAL_MS: '1000', HEARTH_ALERTS_DASHBOARDS_URL: 'https://pages' },
    ...{ HEARTH_ALERTS_WEBHOOK_URL: catcher.url, HEARTH_ALERTS_ALERTMANAGER_URL: alertmanager.url },
  })
}, LIMIT_MS)
afterAll(async () => {
  await system?.[Symbol.asyncDispose]()
  await alertmanager?.[Symbol.asyncDispose]()
  await passedOn?.[Symbol.asyncDispose]()
  await catcher?.[Symbol.asyncDispose]()
  await history?.[Symbol.asyncDispose]()
})

const idOf = (i: number) => z.object({ id: z.string() }).parse(JSON.parse(catcher.caught[i]?.body ?? '{}')).id

test('what was on record and not told when the process was killed is told by the next, and recorded once', async () => {
  catcher.answer('never')
  const first = system.start(['jobs', 'scheduler'])
  await until('the webhook is told', LIMIT_MS, () => catcher.caught.length > 0)
  await first.killTree()
  const heard = catcher.caught.length
  const next = system.start(['jobs', 'scheduler'])
  await until('it is told again', LIMIT_MS, () => catcher.caught.length >= heard + 2)
  expect(idOf(heard)).toBe(idOf(0))
  await until('Alertmanager passes it on', LIMIT_MS, () =>
    passedOn.caught.some(({ body }) => body.includes('"objective":"command-success"') && body.includes('firing')),
  )
  next.signal('SIGTERM')
  await next.ended
  const told = await system.must(['objectives', 'history', '--json'])
  const changes = z
    .array(z.object({ objective: z.string(), severity: z.string(), state: z.string() }))
    .parse(JSON.parse(told))
  // On a busy machine it may have looked before the first command was there.
  const ofCommands = changes.filter((one) => one.objective === 'command-success' && one.state !== 'no data')
  for (const severity of ['page', 'ticket'])
    expect(ofCommands.filter((one) => one.severity === severity)).toMatchObject([{ state: 'firing' }])
})

test('objectives status says what fires, and how fast the budget is spent', async () => {
  const { stdout } = await system.run(['objectives', 'status'])
  expect(stdout).toMatch(/^command-success +missed .* page since \S+ \S+Z, ticket since /m)
  expect(stdout).toMatch(/^command-success +page +6h and 30m +16\.\d× and \S+× +6× +firing$/m)
})
