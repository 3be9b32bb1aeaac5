import { expect, test } from 'vitest'
import { Problem, type SettledReport } from '../../../../client/client.ts'
import { OUTCOMES } from '../../../../contract/command-report.ts'
import { joined, partsOf, type Queued, queue, type Tap, verdictOf, type Wish, wishedOf } from './tap.ts'

const report: SettledReport = {
  command: 'c'.repeat(32),
  hub: 'demo-01',
  device: 'kitchen-lamp',
  set: { powered: true },
  issued: 0,
  day: '2026-11-24',
  deadline_ms: 5_000,
  outcome: 'done',
  stages: [
    { stage: 'issued', by: 'relay', ms: 0 },
    { stage: 'sent', by: 'relay', ms: 1 },
    { stage: 'received', by: 'hub', ms: 0 },
    { stage: 'executed', by: 'hub', ms: 6 },
    { stage: 'acked', by: 'relay', ms: 11 },
    { stage: 'done', by: 'relay', ms: 12 },
  ],
  round_trip_ms: 10,
}
const tap: Tap = { device: 'kitchen-lamp', set: { powered: true }, wish: 'on', since_ms: 0 }

test('the parts of a tap add up to what the finger waited', () => {
  const parts = partsOf(report, 20)
  expect(parts.map(({ tone, ms }) => [tone, ms])).toEqual([
    ['phone', 8],
    ['relay', 2],
    ['home', 4],
    ['device', 6],
  ])
})

test('a command that no hub had has no part of a hub', () => {
  const { round_trip_ms: _, ...offline } = report
  const stages = [{ stage: 'offline', by: 'relay', ms: 1 }] as const
  expect(partsOf({ ...offline, outcome: 'offline', stages }, 5).map(({ tone, ms }) => [tone, ms])).toEqual([
    ['phone', 4],
    ['relay', 1],
  ])
})

test('only what was confirmed in time is good; what nobody knows is never called failed', () => {
  const tones = OUTCOMES.map((outcome) => [
    outcome,
    verdictOf({ ...tap, end: { report: { ...report, outcome }, ms: 1 } })?.tone,
  ])
  expect(Object.fromEntries(tones)).toEqual({
    ...{ done: 'good', late: 'warn', interrupted: 'warn', expired: 'warn', rejected: 'bad', offline: 'bad' },
  })
  const unknown = new Problem('unavailable', 'no answer', { outcome: 'unknown' })
  expect(verdictOf({ ...tap, end: { problem: unknown, ms: 1 } })).toEqual({
    ...{ tone: 'warn', text: 'No answer: it may be on, or not' },
  })
  expect(verdictOf({ ...tap, end: { problem: new Problem('limit', 'too many'), ms: 1 } })?.tone).toBe('bad')
  expect(verdictOf(tap)).toBeUndefined()
})

test('a command that expired is told by the reason, and by the hub’s own word where there is one', () => {
  const text = (outcome: 'expired' | 'offline', reason?: string, stage?: SettledReport['stages'][number]) =>
    verdictOf({
      ...tap,
      end: { report: { ...report, outcome, ...(reason ? { reason } : {}), stages: stage ? [stage] : [] }, ms: 1 },
    })?.text
  const own = { stage: 'expired', by: 'hub', ms: 0 } as const
  expect(text('expired')).toBe('No word from the device: it may be on, or not')
  expect(text('expired', 'the relay restarted')).toBe(
    'No word from the device: it may be on, or not (the relay restarted)',
  )
  expect(text('expired', 'its time ran out; nothing was done', own)).toBe(
    'The hub answered: its time ran out; nothing was done',
  )
  expect(text('expired', undefined, own)).toBe('Its time ran out at the hub too: it may be on, or not')
  expect(text('offline', 'the hub is not connected')).toBe('Offline: nothing was sent (the hub is not connected)')
  expect(text('offline')).toBe('Offline: nothing was sent')
})

test('three quick taps on + go up by three steps: each goes on from the wish before, sent or not', () => {
  const running: Tap = { device: 'hall-thermostat', set: { setpoint: 20.5 }, wish: '20.5', since_ms: 0 }
  let queued: Queued | undefined
  for (let taps = 0; taps < 2; taps++) {
    const setpoint = Number(wishedOf(running, queued)['setpoint']) + 0.5
    queued = queue(queued, { set: { setpoint }, wish: `${setpoint}` }, taps)
  }
  expect(queued && joined(queued)).toEqual({ set: { setpoint: 21.5 }, wish: '21.5' })
  expect(wishedOf({ ...running, end: { report, ms: 1 } }, undefined)).toEqual({})
})

test('wishes that wait are joined by attribute, and the newest of each counts', () => {
  const wishes: readonly Wish[] = [
    { set: { powered: true }, wish: 'on' },
    { set: { brightness: 60 }, wish: '60 %' },
    { set: { brightness: 70 }, wish: '70 %' },
  ]
  const queued = wishes.reduce<Queued | undefined>((before, wish, at) => queue(before, wish, at), undefined)
  expect(queued && joined(queued)).toEqual({ set: { powered: true, brightness: 70 }, wish: 'on, 70 %' })
})
