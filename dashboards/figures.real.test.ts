/** Are the figures right? What Fleet says of a simulated fleet's day, counted again from the events by another way. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../cli/testing/system.ts'
import { type FleetAnswer, fleetAnswer } from './api.ts'
import { type DemoSystem, startDemoSystem } from './testing/demo-system.ts'

const HOUR_MS = 3_600_000
const HUBS = 6

let demo: DemoSystem
let answer: FleetAnswer
/** Sixteen whole hours of the history. */
let from_ms: number
let to_ms: number

beforeAll(async () => {
  demo = await startDemoSystem({ hubs: HUBS, days: 1 })
  to_ms = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - HOUR_MS
  from_ms = to_ms - 16 * HOUR_MS
  await until('the metrics of the window are made', 150_000, async () => {
    answer = await fleet()
    return answer.series.availability.every((value) => value !== null) && answer.figures.p50.value !== null
  })
})

afterAll(() => demo?.close())

async function fleet(end_ms = to_ms): Promise<FleetAnswer> {
  const { origin, searchParams } = new URL(demo.link)
  const response = await fetch(`${origin}/api/fleet?from=${from_ms}&to=${end_ms}`, {
    headers: { authorization: `Bearer ${searchParams.get('token')}` },
  })
  expect(response.status).toBe(200)
  return fleetAnswer.parse(await response.json())
}

it('availability is the time between connect and disconnect, by each hub, over the time expected', async () => {
  const rows = await demo.system.csv(
    `select hub_id, extra['epoch'], stage, epoch_ms(event_time) from connections order by event_time`,
  )
  const sessions = new Map<string, { hub: string; from: number; to: number }>()
  for (const [hub = '', epoch = '', stage, time] of rows) {
    const key = `${hub} ${epoch}`
    const at = Number(time)
    const found = sessions.get(key)
    if (stage === 'connected' && !found) sessions.set(key, { hub, from: at, to: Number.POSITIVE_INFINITY })
    else if (stage === 'disconnected' && found && found.to === Number.POSITIVE_INFINITY) found.to = at
  }
  const connected = new Map<string, number>()
  const end = new Map<string, number>()
  for (const { hub, from, to } of [...sessions.values()].sort((a, b) => a.from - b.from)) {
    const begin = Math.max(from, from_ms, end.get(hub) ?? 0)
    const until_ms = Math.min(to, to_ms)
    if (until_ms <= begin) continue
    connected.set(hub, (connected.get(hub) ?? 0) + until_ms - begin)
    end.set(hub, until_ms)
  }
  const expected = new Map<string, number>()
  const valid = await demo.system.csv(
    `select hub_id, epoch_ms(valid_from), epoch_ms(valid_to) from hubs where expected and retired_time is null`,
  )
  for (const [hub = '', from, to] of valid) {
    const ms = Math.min(to === '' ? to_ms : Number(to), to_ms) - Math.max(Number(from), from_ms)
    if (ms > 0) expected.set(hub, (expected.get(hub) ?? 0) + ms)
  }
  expect(answer.worst.hubs.map(({ hub }) => hub).sort()).toEqual([...expected.keys()].sort())
  for (const { hub, availability } of answer.worst.hubs) {
    expect(availability, hub).toBeCloseTo((connected.get(hub) ?? 0) / (expected.get(hub) ?? 0), 6)
  }
  const sumOf = (times: ReadonlyMap<string, number>) => [...times.values()].reduce((total, ms) => total + ms, 0)
  expect(sumOf(connected)).toBeGreaterThan((HUBS - 1) * 12 * HOUR_MS)
  expect(answer.figures.availability.value).toBeCloseTo(sumOf(connected) / sumOf(expected), 6)
  expect(answer.figures.hubs.value).toBe(expected.size)
})

it('command success is done of all that were issued, and each outcome is counted once', async () => {
  const rows = await demo.system.csv(
    `select command_id, stage from command_stages where source_id <> hub_id
     and epoch_ms(issued_time) >= ${from_ms} and epoch_ms(issued_time) < ${to_ms}`,
  )
  const stages = new Map<string, Set<string>>()
  for (const [id = '', stage = ''] of rows) stages.set(id, (stages.get(id) ?? new Set()).add(stage))
  const order = ['done', 'late', 'interrupted', 'rejected', 'expired', 'offline']
  const counts: Record<string, number> = Object.fromEntries(order.map((outcome) => [outcome, 0]))
  for (const told of stages.values()) {
    const outcome = order.find((name) => told.has(name)) ?? 'none'
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  expect(stages.size).toBeGreaterThan(100)
  expect(answer.figures.commands.value).toBe(stages.size)
  expect(answer.outcomes).toEqual(counts)
  expect(answer.figures.success.value).toBeCloseTo((counts['done'] ?? 0) / stages.size, 12)
})

it('tap to light is within one per cent of the exact percentiles of each command’s own stages', async () => {
  const rows = await demo.system.csv(
    `select command_id, stage, source_id <> hub_id, duration_ms from command_stages
     where epoch_ms(issued_time) >= ${from_ms} and epoch_ms(issued_time) < ${to_ms}`,
  )
  const commands = new Map<string, Record<string, number>>()
  for (const [id = '', stage = '', relay, ms] of rows) {
    const told = commands.get(id) ?? {}
    told[`${relay === 'true' ? 'relay' : 'hub'} ${stage}`] = Number(ms)
    commands.set(id, told)
  }
  const taps: number[] = []
  for (const told of commands.values()) {
    const { 'relay sent': sent, 'relay acked': acked, 'hub executed': executed } = told
    if (sent === undefined || acked === undefined || executed === undefined) continue
    if (told['relay done'] === undefined && told['relay late'] === undefined) continue
    taps.push(sent + (acked - sent - executed) / 2 + executed)
  }
  taps.sort((a, b) => a - b)
  expect(answer.figures.p50.of).toBe(taps.length)
  for (const [name, q] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    // The value whose rank is the first past q of the way, as the merged buckets are walked.
    const exact = taps[Math.floor(q * (taps.length - 1))] ?? Number.NaN
    const value = answer.figures[name].value ?? Number.NaN
    expect(Math.abs(value - exact) / exact, `${name}: ${value} for ${exact}`).toBeLessThan(0.0101)
  }
})

it('telemetry loss is nil where nothing was lost, and verify says the same', async () => {
  const { code, stdout } = await demo.system.run(['verify'])
  expect(code, stdout).toBe(0)
  const { figures } = await fleet(Date.now())
  const [[sent] = []] = await demo.system.csv(
    `select sum(sent) from hub_hours where epoch_ms(hour) >= ${from_ms} and epoch_ms(hour) < ${to_ms + 4 * HOUR_MS}`,
  )
  expect(figures.loss.value).toBe(0)
  expect(Number(sent)).toBeGreaterThan(1_000)
})

it('marks the time in which a hub is in maintenance, with its name', async () => {
  const [from, to] = [to_ms - 2 * HOUR_MS, to_ms - HOUR_MS]
  const iso = (time_ms: number) => new Date(time_ms).toISOString()
  await demo.system.must(['registry', 'maintenance', 'demo-01', '--from', iso(from), '--until', iso(to)])
  await until('the maintenance is in the metrics', 60_000, async () => {
    const { marks } = await fleet()
    return marks.some(({ time_ms, to_ms: end, words }) => time_ms === from && end === to && words.endsWith('demo-01'))
  })
})
