import { expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { openInterrupt } from './interrupt.ts'

function interrupted() {
  const clock = new ManualClock()
  let ends = 0
  const interrupt = openInterrupt(clock, () => ends++)
  return { clock, interrupt, ends: () => ends }
}

test('the first signal drains, a second one does not wait', async () => {
  const { clock, interrupt, ends } = interrupted()
  interrupt.signalled('SIGINT')
  expect([interrupt.signal.aborted, ends()]).toEqual([true, 0])
  await clock.advance(1_000)
  interrupt.signalled('SIGINT')
  expect(ends()).toBe(1)
})

test('one Ctrl-C that comes twice, from the terminal and through npm, is one', async () => {
  const { clock, interrupt, ends } = interrupted()
  interrupt.signalled('SIGINT')
  interrupt.signalled('SIGINT')
  await clock.advance(50)
  interrupt.signalled('SIGINT')
  expect(ends()).toBe(0)
})

test('who loses its supervisor drains, and does not wait when it is draining already', () => {
  const { interrupt, ends } = interrupted()
  interrupt.orphaned()
  expect([interrupt.signal.aborted, ends()]).toEqual([true, 0])
  interrupt.orphaned()
  expect(ends()).toBe(1)
})
