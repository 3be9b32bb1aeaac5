import { describe, expect, test } from 'vitest'
import { isQuiet } from './quiet.ts'

const of = (...lines: readonly string[]) => ({
  dead: undefined,
  lines: Buffer.from(lines.map((l) => `${l}\n`).join('')),
})

describe('a batch', () => {
  test('of nothing but alive and health is quiet, and so is an empty one', () => {
    expect(isQuiet(of('{"m":1,"kind":"health","queue":3}', '{"kind":"alive","m":2,"hub":"a"}'))).toBe(true)
    expect(isQuiet(of())).toBe(true)
  })

  test.each([
    ['another kind', '{"m":1,"kind":"reading","value":1}'],
    ['a kind that only begins so', '{"m":1,"kind":"healthy"}'],
    ['no kind', '{"m":1}'],
    ['no JSON', 'kind alive'],
    ['words that look like it', String.raw`{"m":1,"text":"\"kind\":\"health\"","kind":"log"}`],
    ['a key deeper down', '{"m":1,"extra":{"kind":"health"},"kind":"crash"}'],
  ])('with %s is not', (_what, line) => {
    expect(isQuiet(of(line))).toBe(false)
    expect(isQuiet(of('{"m":1,"kind":"health"}', line))).toBe(false)
  })

  test('that is dead is not, whatever its bytes are', () => {
    expect(isQuiet({ ...of('{"m":1,"kind":"health"}'), dead: 'the checksum is wrong' })).toBe(false)
  })
})
