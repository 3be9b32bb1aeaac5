import { expect, test } from 'vitest'
import { causeOf } from './problem.ts'

test.each([
  ['the cause', new TypeError('fetch failed', { cause: new Error('refused') }), 'refused'],
  [
    'each cause',
    new TypeError('fetch failed', { cause: new AggregateError([new Error('refused'), new Error('no route')]) }),
    'refused; no route',
  ],
  ['itself where it has none', new Error('no answer within 5 ms'), 'no answer within 5 ms'],
])('an error tells %s', (_name, error, expected) => {
  expect(causeOf(error)).toBe(expected)
})
