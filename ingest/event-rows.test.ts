import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVENT_FIELDS } from '../contract/event.ts'
import { openEventRows } from './event-rows.ts'

const FIELDS = new Set<string>(EVENT_FIELDS)
const NUMBERS = new Set<string>(['m', 'value', 'issued', 'ms'])

/** What a line says, by JSON.parse: the plain way to which the fast one is held. A text is what it is, else JSON's own. */
function plain(line: string): Record<string, unknown> | string {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    return 'the line is not JSON'
  }
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return 'the line is no JSON object'
  const fields: Record<string, unknown> = {}
  const extra: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(event)) {
    if (value === null && FIELDS.has(name)) continue
    const text = value === null ? null : typeof value === 'string' ? value : JSON.stringify(value)
    if (!FIELDS.has(name)) extra[name] = text
    else fields[name] = NUMBERS.has(name) ? value : text
  }
  return { ...fields, extra }
}

function found(line: string): Record<string, unknown> | string {
  const rows = openEventRows()
  // Something before it, as in a batch.
  const bytes = Buffer.from(`?${line}\n{}\n`, 'utf8')
  rows.reserve(1, bytes.length)
  const why = rows.addLine(bytes, 1, 0, 0, false)
  expect(rows.lineEnd()).toBe(bytes.length - 4)
  if (why !== undefined) {
    expect(rows.count()).toBe(0)
    return why
  }
  const of = rows.columns()
  const word = (id: number | undefined) => (id ? rows.words.text(id) : undefined)
  const { hub, kind, device, attribute, text, unit, command, stage, reason, m, value, issued, ms } = of
  const words = { hub, kind, device, attribute, text, unit, command, stage, reason }
  const numbers = { m, value, issued, ms }
  const fields = [
    ...Object.entries(words).map(([name, column]) => [name, word(column[0])]),
    ...Object.entries(numbers).map(([name, column]) => [name, Number.isNaN(column[0]) ? undefined : column[0]]),
  ].filter(([, one]) => one !== undefined)
  const extra = Array.from({ length: of.more[1] ?? 0 }, (_, i) => [word(of.keys[i]), word(of.values[i]) ?? null])
  return { ...Object.fromEntries(fields), extra: Object.fromEntries(extra) }
}

const name = fc.oneof(fc.constantFrom(...EVENT_FIELDS, 'quality', 'ö', ''), fc.string({ maxLength: 8 }))
const anything = fc.oneof(
  fc.constantFrom('on', '', 'ä"\\\n\u0000', null, true, false, 0, 21.5, 1e300, -0.25),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.jsonValue({ maxDepth: 2 }),
)
const number = fc.oneof(fc.integer({ min: 0, max: 2e12 }), fc.double({ min: 0, max: 1e9, noNaN: true }))
/** An event that is one, with fields in any order. */
const event = fc
  .tuple(
    fc.dictionary(name, anything, { maxKeys: 8 }),
    fc.record({ m: number, kind: fc.constantFrom('reading', 'log', 'ä', 'x"y') }),
    fc.record({ value: number, issued: number, ms: number }, { requiredKeys: [] }),
  )
  .map(([any, must, may]) => {
    const { value: _value, issued: _issued, ms: _ms, ...rest } = any
    return { ...rest, ...must, ...may }
  })

describe('a line', () => {
  test('becomes what it says', () => {
    fc.assert(
      fc.property(event, fc.constantFrom(undefined, 1, '\t'), (one, space) => {
        const line = JSON.stringify(one, undefined, space).replaceAll('\n', ' ')
        const spaced = space !== undefined
        // Of what is nested the text is kept as it came, spaces too.
        const same = (value: unknown): unknown =>
          spaced && typeof value === 'object' && value !== null
            ? Object.fromEntries(Object.entries(value).map(([key, of]) => [key, compact(of)]))
            : value
        const expected = plain(line)
        const got = found(line)
        if (typeof got === 'string' || typeof expected === 'string') expect(got).toEqual(expected)
        else expect({ ...(same(got) as object), extra: same(got['extra']) }).toEqual({ ...expected })
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([
    ['a hub’s own idea of its name', '{"m":1,"kind":"log","hub":"h"}', { m: 1, kind: 'log', hub: 'h', extra: {} }],
    [
      'a number longer than a double',
      '{"m":1,"kind":"log","a":12345678901234567890.10}',
      { m: 1, kind: 'log', extra: { a: '12345678901234567890.10' } },
    ],
    ['an escaped name', '{"m":1,"k\\u0069nd":"log"}', { m: 1, kind: 'log', extra: {} }],
    ['a value that is true', '{"m":1,"kind":"log","value":true}', { m: 1, kind: 'log', value: 1, extra: {} }],
    ['null', '{"m":1,"kind":"log","value":null,"text":null,"a":null}', { m: 1, kind: 'log', extra: { a: null } }],
    ['a word that is no text', '{"m":1,"kind":5,"text":[1, 2]}', { m: 1, kind: '5', text: '[1, 2]', extra: {} }],
    ['nothing else', '{"m":-0.5e1,"kind":"log"}', { m: -5, kind: 'log', extra: {} }],
  ])('keeps %s', (_what, line, expected) => {
    expect(found(line)).toEqual(expected)
  })

  test.each([
    ['{"m":1,"kind":"log"} x', 'the line is not JSON'],
    ['{"m":1,"kind":"log",}', 'the line is not JSON'],
    ['{"m":01,"kind":"log"}', 'the line is not JSON'],
    ['{"m":1,"kind":"log","a":"\\ud800"}', 'the line is not JSON'],
    ['{"m":1,"kind":"log"', 'the line is not JSON'],
    ['', 'the line is not JSON'],
    ['"m"', 'the line is no JSON object'],
    ['{}', 'kind is missing'],
    ['{"m":1,"kind":"registry","generation":9}', 'kind registry is told by services alone'],
    ['{"m":1,"kind":"alive"}', 'kind alive is told by services alone'],
    ['{"m":1,"kind":"log","a":1,"\\u0061":2}', 'a field is there twice'],
    ['{"m":1,"m":2,"kind":"log"}', 'a field is there twice'],
    ['{"m":1,"kind":"log","issued":-1}', 'issued is not a time in ms since 1970'],
    ['{"m":1,"kind":"log","value":"1"}', 'value is neither a number nor true or false: words go into text'],
    ['{"m":1,"kind":"log","value":-1e999}', 'value is neither a number nor true or false: words go into text'],
  ])('%s is no event', (line, why) => {
    expect(found(line)).toBe(why)
  })
})

/** JSON within a text without the spaces between its tokens; any other text as it is. */
function compact(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value
  try {
    return JSON.stringify(JSON.parse(value))
  } catch {
    return value
  }
}
