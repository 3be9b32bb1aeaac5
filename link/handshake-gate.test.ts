import { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { ManualClock } from '../sim/clock.ts'
import { handshakeGate } from './handshake-gate.ts'
import { TURN_WAIT_MAX_MS } from './limits.ts'

const TIMEOUT_MS = 10_000

/** `work_ms`: what each handshake takes of the event loop as it begins. */
function opened({ atWork_max = 64, waiting_max = 100, work_ms = 0 } = {}) {
  const manual = new ManualClock()
  let worked_ms = 0
  const clock: Clock = {
    now: () => manual.now(),
    monotonic: () => manual.monotonic() + worked_ms,
    timer: (delay_ms, callback) => manual.timer(delay_ms, callback),
  }
  const begun: (() => void)[] = []
  const told: string[] = []
  const gate = handshakeGate({
    ...{ clock, atWork_max, waiting_max, timeout_ms: TIMEOUT_MS },
    turnedAway: (count, reason) => told.push(`${count}: ${reason}`),
    begin(_socket, done) {
      begun.push(done)
      worked_ms += work_ms
    },
  })
  const come = (count: number) =>
    Array.from({ length: count }, () => {
      const socket = new Socket()
      gate.admit(socket)
      return socket
    })
  return { clock: manual, gate, begun, told, come }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

test('of many that come at once a few begin in each turn of the event loop, the others wait their turn', async () => {
  const { gate, begun, come } = opened()
  come(40)
  expect([begun.length, gate.waiting]).toEqual([2, 38])
  await turns(2)
  expect(begun.length).toBeLessThanOrEqual(6)
  await turns(200)
  // None of those is over yet: they may never be.
  expect([begun.length, gate.waiting]).toEqual([16, 24])
  for (const done of begun.slice(0, 4)) done()
  await turns(200)
  // Each that is over left its place, and turns are short: one place more.
  expect([begun.length, gate.waiting]).toEqual([24, 16])
})

test('while turns are long only a few are at work, and each that is over lets the next begin', async () => {
  const { begun, come } = opened({ work_ms: 20 })
  come(30)
  await turns(200)
  const atWork = begun.length
  expect(atWork).toBeLessThan(20)
  for (let over = 0; over < begun.length; over++) {
    begun[over]?.()
    await turns(3)
    expect(begun.length - over - 1).toBeLessThanOrEqual(atWork + 1)
  }
  expect(begun.length).toBe(30)
})

test('one that says nothing gives its place away after its time, and whom nobody can wait for is closed', async () => {
  const { clock, gate, begun, told, come } = opened({ atWork_max: 1, waiting_max: 1 })
  const [first] = come(1)
  await clock.advance(TIMEOUT_MS / 2)
  const [second, third] = come(3)
  expect([begun.length, gate.waiting, third?.destroyed]).toEqual([1, 1, true])
  await clock.advance(TIMEOUT_MS / 2)
  expect(told).toEqual(['2: 1 wait for a TLS handshake already'])
  await turns(2)
  expect([first?.destroyed, second?.destroyed, begun.length]).toEqual([true, false, 2])
})

test('who has waited for so long that its peer is about to give up is closed, and who came later waits on', async () => {
  const { clock, gate, begun, told, come } = opened({ atWork_max: 1 })
  // The first is given up after its time, and the second is then at work.
  const [, , early] = come(3)
  await clock.advance(TURN_WAIT_MAX_MS - 2_000)
  const [late] = come(1)
  await clock.advance(2_500)
  expect([early?.destroyed, late?.destroyed, gate.waiting, begun.length]).toEqual([true, false, 1, 2])
  expect(told).toEqual(['1: no turn for a TLS handshake within 15 s'])
  begun[1]?.()
  await turns(2)
  expect([late?.destroyed, gate.waiting, begun.length]).toEqual([false, 0, 3])
})

test('those that say nothing keep nobody out for longer than a second', async () => {
  const { clock, gate, begun, come } = opened({ work_ms: 20 })
  come(30)
  await turns(100)
  expect([begun.length, gate.waiting]).toEqual([4, 26])
  for (const all of [8, 12, 16]) {
    await clock.advance(1_000)
    await turns(100)
    expect(begun.length).toBe(all)
  }
})

test('of many that have waited for too long a few are closed at a time', async () => {
  const { clock, gate, told, come } = opened({ atWork_max: 1 })
  const all = come(61)
  await clock.advance(TURN_WAIT_MAX_MS)
  // The first was given up after its time.
  const left = [gate.waiting]
  const closed = [all.filter(({ destroyed }) => destroyed).length]
  for (let i = 0; i < 3; i++) {
    await clock.advance(20)
    left.push(gate.waiting)
    closed.push(all.filter(({ destroyed }) => destroyed).length)
  }
  expect(left).toEqual([0, 0, 0, 0])
  expect(closed).toEqual([21, 41, 60, 60])
  expect(told).toEqual(['59: no turn for a TLS handshake within 15 s'])
})

test('handshakes one after the other open no room for silent peers', async () => {
  const { begun, come } = opened()
  for (let i = 0; i < 100; i++) {
    come(1)
    await turns(2)
    begun[i]?.()
  }
  come(60)
  await turns(200)
  expect(begun.length).toBe(116)
})
