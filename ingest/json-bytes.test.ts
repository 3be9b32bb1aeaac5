import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scanNumber, scanned, skipValue } from './json-bytes.ts'

const bytesOf = (text: string) => Buffer.from(text, 'utf8')

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** JSON, and JSON with a character taken out, put in or changed. */
const nearlyJson = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(),
    fc.constantFrom('', '"', '\\', ',', '0', '-', '.', 'e', '}', ']', 'u', '\t', '\u0001'),
    fc.nat(2),
  )
  .map(([text, at, put, out]) => {
    const from = at % (text.length + 1)
    return text.slice(0, from) + put + text.slice(from + out)
  })

test('takes what JSON.parse takes, and nothing else', () => {
  fc.assert(
    fc.property(nearlyJson, (text) => {
      const bytes = bytesOf(text)
      const trimmed = bytesOf(text.replace(/[ \n\r\t]+$/, '')).length
      expect(skipValue(bytes, 0, bytes.length, 1_000) === trimmed).toBe(isJson(text))
    }),
    { numRuns: 5_000 },
  )
})

test('does not look past the end that it is given', () => {
  const bytes = bytesOf('{"a":[1,true,"b"]}')
  for (let end = 0; end < bytes.length; end++) expect(skipValue(bytes, 0, end, 1_000)).toBe(-1)
})

test('counts brackets within each other', () => {
  const deep = (levels: number) => bytesOf(`${'['.repeat(levels)}${']'.repeat(levels)}`)
  expect(skipValue(deep(10), 0, 20, 10)).toBe(20)
  expect(skipValue(deep(11), 0, 22, 10)).toBe('too deep')
})

const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.maxSafeInteger(), fc.nat(99_999)).map(([whole, part]) => `${whole}.${part}`),
  fc.tuple(fc.integer(), fc.integer({ min: -330, max: 330 })).map(([whole, power]) => `${whole}E${power}`),
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$/),
)

test('rounds numbers as Number does', () => {
  fc.assert(
    fc.property(numberText, (text) => {
      const bytes = bytesOf(`${text},`)
      expect(scanNumber(bytes, 0, bytes.length)).toBe(text.length)
      expect(scanned[0]).toBe(Number(text))
    }),
    { numRuns: 5_000 },
  )
})
