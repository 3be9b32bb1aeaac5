import { expect, test } from 'vitest'
import { closest } from './closest.ts'

test.each([
  ['sq', ['up', 'sql', 'send'], 'sql'],
  ['cuont', ['cot', 'count'], 'count'],
  ['app_prot', ['app_port', 'hub_port'], 'app_port'],
  ['EVENTS', ['events'], 'events'],
  ['frobnicate', ['up', 'sql', 'send'], undefined],
  ['', [], undefined],
])('%j of %j is %j', (word, candidates, meant) => {
  expect(closest(word, candidates)).toBe(meant)
})
