import { expect, test } from 'vitest'
import type { CommandTrace } from '../../../api.ts'
import { outcomeSentence } from './outcome-sentence.ts'

const trace: CommandTrace = {
  command: 'c'.repeat(32),
  hub: 'demo-01',
  device: 'kitchen-lamp',
  set: { powered: true },
  app: 'phone',
  issued_ms: 0,
  deadline_ms: 500,
  outcome: 'expired',
  reason: null,
  round_trip_ms: null,
  stages: [{ stage: 'expired', by: 'relay', ms: 500 }],
  told_by: 'relay',
}

test('silence until the deadline is never called a no', () => {
  expect(outcomeSentence(trace)).toBe('Expired: no result within 500 ms. Whether it happened is not known.')
  expect(outcomeSentence({ ...trace, reason: 'the relay restarted' })).toBe(
    'Expired: no result within 500 ms. Whether it happened is not known: the relay restarted.',
  )
})

test('what the hub itself said of a command that expired is told as its word', () => {
  const stages = [...trace.stages, { stage: 'expired', by: 'hub', ms: 0 } as const]
  const reason = 'it lay 5200 ms on its way; nothing was done'
  expect(outcomeSentence({ ...trace, stages, reason })).toBe(`Expired. The hub answered: ${reason}.`)
  expect(outcomeSentence({ ...trace, stages })).toBe('Expired. The hub, too, says that its time ran out.')
})

test('why nothing was sent is told where it is known', () => {
  const offline = { ...trace, outcome: 'offline' }
  const reason = 'the hub is connected, and does not listen to its commands'
  expect(outcomeSentence({ ...offline, reason })).toBe(`Offline: nothing was sent (${reason}).`)
  expect(outcomeSentence(offline)).toBe('Offline: the hub had no live connection. Nothing was sent.')
})
