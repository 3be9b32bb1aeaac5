/** What `firmware_cohorts` means, case by case. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DAY_MS } from './day.ts'
import { HOUR_MS, SETTLE_MS } from './limits.ts'
import { command, enrolled, type History, health, openHistory, type Row } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20)
const at = (hours: number, minutes = 0) => T0 + hours * HOUR_MS + minutes * 60_000

let history: History

beforeAll(async () => {
  history = await openHistory(T0 + DAY_MS + SETTLE_MS)
  await history.add(cohorts())
  await history.jobs.run()
}, 60_000)

afterAll(() => history[Symbol.asyncDispose]())

/**
 * The last two hours of the day. On 1.0 are 30 hubs, on 2.0 as many and in the second hour 60 more, on 3.0 one. In the first
 * hour every hub there is crashes once. In the second those 30 of each are told two commands: of 1.0 ten fail both, of
 * 2.0 three fail one.
 */
function cohorts(): Row[] {
  const fleet = [
    ...hubsOn('1.0', 30, 22, (i) => (i < 10 ? 2 : 0)),
    ...hubsOn('2.0', 30, 22, (i) => (i < 3 ? 1 : 0)),
    ...hubsOn('2.0', 60, 23),
    ...hubsOn('3.0', 1, 23),
  ]
  return fleet.flatMap(({ hub, firmware, from_hour, failed }) => [
    enrolled(hub, at(from_hour)),
    ...(from_hour === 22 ? [health(hub, at(22, 1), BOOT, firmware, 'crash')] : []),
    health(hub, at(23, 1), BOOT, firmware),
    ...(failed === undefined
      ? []
      : [0, 1].flatMap((i) =>
          command(hub, `${hub}-${i}`, at(23, 10), [
            ['issued', 0],
            [i < failed ? 'offline' : 'done', 5],
          ]),
        )),
  ])
}

const BOOT = '1-1-bbbbbbbb'

function hubsOn(firmware: string, count: number, from_hour: number, failed?: (i: number) => number) {
  return Array.from({ length: count }, (_, i) => ({
    ...{ hub: `hub-${firmware}-${from_hour}-${i}`, firmware, from_hour, failed: failed?.(i) },
  }))
}

/** The row of a firmware and a measure, numbers as numbers. */
async function cohort(firmware: string, measure: string): Promise<Readonly<Record<string, unknown>>> {
  const [row = {}] = await history.rows('firmware_cohorts', `firmware = '${firmware}' AND measure = '${measure}'`)
  const number = (value: unknown) => (value === null || Number.isNaN(Number(value)) ? value : Number(value))
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, number(value)]))
}

test('firmwares are compared in the same hours at equal hub-hours, where their plain rates would differ', async () => {
  // 30 crashes in 60 hub-hours, and 30 in 121: but every hub of the bad hour crashed alike.
  expect(await cohort('1.0', 'crashes')).toMatchObject({
    ...{ hours: 2, hub_hours: 60, hubs: 30, events: 30, exposure: 60 },
    ...{ other_hubs: 91, other_events: 30, other_exposure: 121 },
    ...{ data: 'enough', rate: 0.5, other_rate: 0.5, difference: 0 },
  })
  expect(await cohort('2.0', 'crashes')).toMatchObject({ hub_hours: 120, rate: 0.25, other_rate: 0.25, difference: 0 })
})

test('a difference has the interval of hubs as sampling units, at 95 %', async () => {
  const { low, high, ...row } = await cohort('1.0', 'command_failure')
  expect(row).toMatchObject({ hours: 1, hubs: 30, events: 20, exposure: 60, other_hubs: 30, other_events: 3 })
  expect(row['rate']).toBeCloseTo(20 / 60, 9)
  expect(row['other_rate']).toBeCloseTo(3 / 60, 9)
  // Ten hubs with 2 failures where 2/3 are expected, twenty with none; three with 1 where 1/10 is expected, 27 with none.
  const own = 10 * (4 / 3) ** 2 + 20 * (2 / 3) ** 2
  const other = 3 * 0.9 ** 2 + 27 * 0.1 ** 2
  // Student's t of 97.5 % with 29 degrees of freedom.
  const reach = 2.04523 * Math.sqrt(((own + other) / 60 ** 2) * (30 / 29))
  expect(Number(low)).toBeCloseTo(17 / 60 - reach, 6)
  expect(Number(high)).toBeCloseTo(17 / 60 + reach, 6)
})

test('too little data has no rates, and says what it lacks', async () => {
  const none = { rate: null, other_rate: null, difference: null, low: null, high: null }
  expect(await cohort('3.0', 'crashes')).toMatchObject({ data: 'too few hubs', hubs: 1, ...none })
  expect(await cohort('1.0', 'disconnects')).toMatchObject({ data: 'too few events', hubs: 30, events: 0, ...none })
  expect(await cohort('1.0', 'loss')).toMatchObject({ data: 'nothing to compare', hours: 0, ...none })
})
