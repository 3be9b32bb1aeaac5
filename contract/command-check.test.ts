import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commandRequest, relayBound } from './command.ts'
import { plainRequest, plainResult } from './command-check.ts'

/** JSON as it may come from anywhere: near misses of the right form most of all. */
const near = <T, U = fc.JsonValue>(right: fc.Arbitrary<T>, wrong?: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 15, arbitrary: right }, { weight: 1, arbitrary: wrong ?? fc.jsonValue() })
const value = near(
  fc.oneof(fc.boolean(), fc.double({ noNaN: true }), fc.string({ maxLength: 20 })),
  fc.string({ minLength: 250 }),
)
const name = fc.oneof(
  { weight: 15, arbitrary: fc.constantFrom('powered', 'level', 'a1') },
  { weight: 1, arbitrary: fc.constantFrom('A', '', 'a'.repeat(33)) },
)
const right = {
  device: near(fc.constantFrom('lamp', 'hall-lamp'), fc.constantFrom('Lamp', 'a/b', '', 7)),
  set: near(fc.dictionary(name, value, { minKeys: 1, maxKeys: 4 })),
}
const deadline_ms = near(fc.integer({ min: 100, max: 60_000 }), fc.constantFrom(0, 99, 60_001, 1.5, 'soon', null))
const request = near(
  fc.oneof(fc.record(right), fc.record({ ...right, deadline_ms })),
  fc.oneof(fc.record({ ...right, other: fc.jsonValue() }), fc.jsonValue()),
)
const result = fc.record(
  {
    hearth: near(fc.constant(1)),
    type: near(fc.constantFrom('result', 'state')),
    command: near(fc.string()),
    stage: near(fc.constantFrom('received', 'executed', 'rejected', 'expired', 'interrupted', 'acked')),
    ms: near(fc.double()),
    reason: near(fc.string({ maxLength: 300 })),
    issued: near(fc.integer()),
    other: fc.jsonValue(),
  },
  { requiredKeys: ['hearth', 'type', 'command', 'stage', 'ms'] },
)
/** As it is after a way over the wire. */
const parsed = (said: unknown): unknown => JSON.parse(JSON.stringify(said))

test('what the quick check takes of requests the schema takes, as the same, and of what it takes hardly any is left over', () => {
  let taken = 0
  fc.assert(
    fc.property(request, (said) => {
      const quick = plainRequest(parsed(said))
      const whole = commandRequest.safeParse(parsed(said))
      if (quick) expect(whole).toEqual({ success: true, data: quick })
      else expect(whole.success).toBe(false)
      if (quick) taken++
    }),
    { numRuns: 3_000 },
  )
  expect(taken).toBeGreaterThan(500)
})

test('… and of results', () => {
  let taken = 0
  fc.assert(
    fc.property(result, (said) => {
      const quick = plainResult(parsed(said))
      const whole = relayBound.safeParse(parsed(said))
      if (quick) expect(whole).toEqual({ success: true, data: quick })
      else expect(whole.success && whole.data.type === 'result').toBe(false)
      if (quick) taken++
    }),
    { numRuns: 3_000 },
  )
  expect(taken).toBeGreaterThan(500)
})
