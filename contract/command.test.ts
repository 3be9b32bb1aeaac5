import { describe, expect, test } from 'vitest'
import { commandRequest } from './command.ts'
import {
  COMMAND_BODY_MAX_BYTES,
  COMMAND_SET_MAX,
  DEADLINE_DEFAULT_MS,
  DEADLINE_MAX_MS,
  DEADLINE_MIN_MS,
} from './limits.ts'

const ask = (change: object) => commandRequest.safeParse({ device: 'lamp', set: { powered: true }, ...change })
const attributes = (count: number, value: string | number = 1) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, value]))

describe("an app's command", () => {
  test('has the deadline that is usual when it names none', () => {
    expect(ask({}).data?.deadline_ms).toBe(DEADLINE_DEFAULT_MS)
  })

  test.each([
    ['deadlines', { deadline_ms: DEADLINE_MIN_MS }, { deadline_ms: DEADLINE_MIN_MS - 1 }],
    ['deadlines at the other end', { deadline_ms: DEADLINE_MAX_MS }, { deadline_ms: DEADLINE_MAX_MS + 1 }],
    ['attributes', { set: attributes(COMMAND_SET_MAX) }, { set: attributes(COMMAND_SET_MAX + 1) }],
    ['none', { set: attributes(1) }, { set: {} }],
    // {"a":"…"} and three bytes a sign: 16 × 256 signs fit one by one, and not together.
    ['words', { set: attributes(5, '€'.repeat(256)) }, { set: attributes(6, '€'.repeat(256)) }],
  ])('is taken at the limit of %s and refused past it', (_what, at, past) => {
    expect(ask(at).success).toBe(true)
    expect(ask(past).success).toBe(false)
  })

  test('that is refused for its size is told the limit', () => {
    const { error } = ask({ set: attributes(6, '€'.repeat(256)) })
    expect(error?.issues[0]?.message).toBe(`a command has at most ${COMMAND_BODY_MAX_BYTES} bytes as JSON`)
  })
})
