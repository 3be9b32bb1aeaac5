import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareWords, HASH_PRIME, openWords, type Words } from './words.ts'

/** No halves of surrogate pairs, which UTF-8 cannot tell; short ones and ones that are copied in one go. */
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 60 }))

/** More different ones than the first table holds, some of them again and again. */
const many = fc
  .record({
    stems: fc.array(text, { minLength: 1, maxLength: 50 }),
    different: fc.integer({ min: 1, max: 10_000 }),
    step: fc.constantFrom(1, 7, 7919),
  })
  .map(({ stems, different, step }) =>
    Array.from({ length: 12_000 }, (_, i) => `${stems[i % stems.length]}${(i * step) % different}`),
  )

/** Numbers by text, as a Map gives them. */
function numbered(texts: readonly string[]): ReadonlyMap<string, number> {
  const known = new Map<string, number>()
  for (const one of texts) if (!known.has(one)) known.set(one, known.size + 1)
  return known
}

/** Compares in one go: an assertion for each text would take most of the time. */
function expectNumbers(words: Words, texts: readonly string[]): void {
  const known = numbered(texts)
  expect(texts.map((one) => words.of(one))).toEqual(texts.map((one) => known.get(one)))
  expect([...known.values()].map((id) => words.text(id))).toEqual([...known.keys()])
  expect(words.list().count).toBe(known.size + 1)
}

test('each different text has one number, from 1 in the order of their coming, however many there are', () => {
  fc.assert(
    fc.property(fc.oneof(many, fc.array(text)), (texts) => expectNumbers(openWords(), texts)),
    { numRuns: 15 },
  )
})

test('after clear numbers begin anew, and nothing of before is found', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(many, fc.array(text)), { minLength: 2, maxLength: 4 }), (rounds) => {
      const words = openWords()
      for (const texts of rounds) {
        words.clear(0)
        expect(() => words.text(1)).toThrow(/a word of this list/)
        expectNumbers(words, texts)
      }
    }),
    { numRuns: 8 },
  )
})

test('texts of one hash are told apart', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 200 }), fc.integer(), (texts, hash) => {
      const words = openWords()
      const known = numbered(texts)
      for (const one of texts) {
        const bytes = Buffer.from(`<${one}>`, 'utf8')
        expect(words.intern(bytes, 1, bytes.length - 1, hash)).toBe(known.get(one))
      }
    }),
  )
})

test('words are compared by their bytes', () => {
  fc.assert(
    fc.property(text, text, fc.string({ maxLength: 3 }), (a, b, start) => {
      const words = openWords()
      const [one, other] = [`${start}${a}`, `${start}${b}`]
      const [x, y] = [words.of(one), words.of(other)]
      const expected = Buffer.compare(Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8'))
      expect(Math.sign(compareWords(words.list(), x, y))).toBe(expected)
    }),
  )
})

test('which texts share a hash depends on the seed, so that nobody can send many that do', () => {
  const hashOf = (text: string, start: number) => {
    let hash = start
    for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, HASH_PRIME)
    return hash
  }
  const [known, other] = [openWords(0).start(), openWords(0x5bd1e995).start()]
  const first = new Map<number, string>()
  const pairs: [string, string][] = []
  for (let i = 0; i < 300_000; i++) {
    const text = Math.imul(i, 0x9e3779b1).toString(36) + i.toString(36)
    const twin = first.get(hashOf(text, known))
    if (twin !== undefined) pairs.push([twin, text])
    first.set(hashOf(text, known), text)
  }
  expect(pairs.length).toBeGreaterThan(0)
  expect(pairs.filter(([a, b]) => hashOf(a, other) === hashOf(b, other))).toEqual([])
})
