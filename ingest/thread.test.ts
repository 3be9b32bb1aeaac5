import { expect, test } from 'vitest'
import { startThread } from './thread.ts'

const start = () => startThread<unknown>(import.meta.url, 'testing/dying-thread', 'the example', undefined)

test('answers one question after the other, and goes on after one that failed', async () => {
  const thread = await start()
  expect(thread.opened).toBe('ready')
  const answers = await Promise.allSettled([thread.ask(1), thread.ask('raise'), thread.ask([2])])
  expect(answers).toMatchObject([{ value: 1 }, { reason: { kind: 'internal', message: 'no' } }, { value: [2] }])
  await thread.close()
})

test('that died or was closed raises for what was asked and for what is asked later', async () => {
  const thread = await start()
  const asked = [thread.ask('die'), thread.ask('later')]
  for (const one of asked)
    await expect(one).rejects.toMatchObject({ message: 'the thread of the example ended with 3' })
  expect(thread.ended()).toBe(true)
  await expect(thread.ask(1)).rejects.toMatchObject({ kind: 'internal', outcome: 'unknown' })
  await thread.close()
  const other = await start()
  await other.close()
  await expect(other.ask(1)).rejects.toMatchObject({ kind: 'closed' })
})

test('that cannot start raises why', async () => {
  const thread = startThread<unknown>(import.meta.url, 'testing/no-such-thread', 'the example', undefined)
  await expect(thread).rejects.toThrow(/the thread of the example died/)
})
