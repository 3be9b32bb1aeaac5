import { expect, test } from 'vitest'
import { checkText } from './jobs-check.ts'

test('what holds, what does not and what was not tried are three words, and rows stand below the table', () => {
  const checks = [
    { name: 'runs', holds: true, note: '90 events gave 6 rows' },
    { name: 'checks hold', holds: false, problem: '"some" fails in 2 rows, as:', lines: ['{"n":0}', '{"n":-1}'] },
    { name: 'Spark makes the same', holds: null, note: 'not tried' },
  ]
  expect(checkText([{ metric: 'lamp_hours', checks }]).split('\n')).toEqual([
    'metric      check                 holds',
    expect.stringMatching(/^─/),
    'lamp_hours  runs                  yes    90 events gave 6 rows',
    'lamp_hours  checks hold           NO     "some" fails in 2 rows, as:',
    'lamp_hours  Spark makes the same  –      not tried',
    '',
    'lamp_hours, checks hold:',
    '  {"n":0}',
    '  {"n":-1}',
  ])
})
