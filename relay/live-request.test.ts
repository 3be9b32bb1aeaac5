import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLiveCommand, liveRequest } from './live-request.ts'

const text = fc.oneof(fc.string({ maxLength: 70 }), fc.constant('x'.repeat(64)), fc.constant('x'.repeat(65)))
const anything = fc.oneof(text, fc.double(), fc.integer(), fc.constant(null), fc.boolean(), fc.constant({}))
const usual = { ref: text, key: text, day: text, until: fc.double({ noNaN: true, noDefaultInfinity: true }) }
const said = fc.oneof(
  fc.record(
    { type: fc.constant('command'), hub: text, command: anything, ...usual },
    { requiredKeys: ['type', 'hub'] },
  ),
  fc.record(
    { type: fc.constantFrom('command', 'listen', 'ping', 1), hub: anything, ref: anything, key: anything },
    { requiredKeys: [] },
  ),
  fc.record(
    { type: fc.constant('command'), hub: text, day: anything, until: anything },
    { requiredKeys: ['type', 'hub'] },
  ),
  anything,
)

test('what is taken for a command without the schema is one to the schema, and whatever is one is taken for it', () => {
  fc.assert(
    fc.property(said, (value) => {
      const sent: unknown = JSON.parse(JSON.stringify(value) ?? 'null')
      const parsed = liveRequest.safeParse(sent)
      expect(isLiveCommand(sent)).toBe(parsed.success && parsed.data.type === 'command')
      if (isLiveCommand(sent)) expect(sent).toMatchObject(parsed.data ?? {})
    }),
    { numRuns: 2_000 },
  )
})

test('a time that no clock tells is left to the schema', () => {
  const said = JSON.parse('{"type":"command","hub":"a","command":{},"until":1e999}')
  expect([isLiveCommand(said), liveRequest.safeParse(said).success]).toEqual([false, false])
})
