import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { CommandTrace, Moment } from '../../../api.ts'
import { barsOf, ticksOf } from './waterfall.ts'

function trace(stages: readonly Moment[]): CommandTrace {
  return {
    command: 'c',
    hub: 'h',
    device: 'd',
    set: null,
    app: null,
    issued_ms: 0,
    deadline_ms: 5000,
    outcome: 'done',
    reason: null,
    round_trip_ms: null,
    stages: [...stages],
    told_by: 'relay',
  }
}

const relay = (stage: string, ms: number): Moment => ({ stage, by: 'relay', ms })
const hub = (stage: string, ms: number): Moment => ({ stage, by: 'hub', ms })

it('puts each hop after the one before, the network halved around the hub and called an estimate', () => {
  const bars = barsOf(
    trace([
      relay('issued', 0),
      relay('routed', 1),
      relay('sent', 2),
      hub('received', 0),
      hub('executed', 30),
      relay('acked', 42),
      relay('done', 43),
    ]),
  )
  expect(bars.map(({ name, from_ms, to_ms, estimate }) => [name, from_ms, to_ms, estimate])).toEqual([
    ['App waits', 0, 43, false],
    ['Relay: route', 0, 1, false],
    ['Relay: send', 1, 2, false],
    ['Network, there', 2, 7, true],
    ['Hub and device', 7, 37, false],
    ['Network, back', 37, 42, true],
  ])
})

it('says nothing of a hub that told nothing', () => {
  expect(barsOf(trace([relay('issued', 0), relay('offline', 0.2)])).map(({ name }) => name)).toEqual(['App waits'])
  const names = barsOf(trace([relay('issued', 0), relay('sent', 1), relay('acked', 9)])).map(({ name }) => name)
  expect(names).toEqual(['App waits', 'Relay: to socket', 'Network and hub'])
})

it('never draws a bar backwards, whatever the two clocks say', () => {
  const ms = fc.double({ min: 0, max: 100_000, noNaN: true })
  fc.assert(
    fc.property(ms, ms, ms, (sent, wait, executed) => {
      const bars = barsOf(
        trace([relay('issued', 0), relay('sent', sent), hub('executed', executed), relay('acked', sent + wait)]),
      )
      return bars.every(({ from_ms, to_ms }) => from_ms <= to_ms)
    }),
  )
})

it('has at most six round marks on its axis, the first at nothing', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e7, noNaN: true }), (end) => {
      const ticks = ticksOf(end)
      return ticks[0] === 0 && ticks.length <= 6 && ticks.every((at) => at <= end)
    }),
  )
})
