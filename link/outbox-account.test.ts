import { expect, test } from 'vitest'
import { BATCH_TARGET_EVENTS, OUTBOX_LINE_MAX_BYTES } from './limits.ts'
import { addOpen, entriesOf, frontOf, newAccount } from './outbox-account.ts'

test('an entry is never longer than a line may be, and has no more lines than a batch', () => {
  const line = `${'x'.repeat(OUTBOX_LINE_MAX_BYTES / 4 - 1)}\n`
  expect(entriesOf(Array(9).fill(line)).map(({ count, bytes }) => [count, bytes])).toEqual([
    [4, OUTBOX_LINE_MAX_BYTES],
    [4, OUTBOX_LINE_MAX_BYTES],
    [1, line.length],
  ])
  expect(entriesOf(['ä\n'])).toEqual([{ text: 'ä\n', count: 1, bytes: 3 }])
  expect(entriesOf([])).toEqual([])
  const short = Array(BATCH_TARGET_EVENTS + 1).fill('{}\n')
  expect(entriesOf(short).map(({ count }) => count)).toEqual([BATCH_TARGET_EVENTS, 1])
})

test('a batch ends with the entry that reaches its target, or before the one that is too many', () => {
  const account = newAccount({ boot: '1-1-aaaaaaaa', wall: 0, firmware: '', agent: '' }, 'control', true)
  for (const count of [1_500, 500, 1, 2_500]) addOpen(account, { text: '', count, bytes: count })
  const counts = (target_bytes: number) => frontOf(account, target_bytes).map(({ count }) => count)
  expect(counts(1)).toEqual([1_500])
  expect(counts(1_501)).toEqual([1_500, 500])
  expect(counts(1e9)).toEqual([1_500, BATCH_TARGET_EVENTS - 1_500])
  account.open.splice(0, 3)
  expect(counts(1)).toEqual([2_500])
})
