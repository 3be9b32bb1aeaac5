import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import { lakeParts } from './lake-parts.ts'
import { ANSWERS_SHARED_MAX, LAKE_PART_OLD_MAX_MS, LAKE_PART_WAIT_MAX_MS, LAKE_PARTS_ASKED_MAX } from './limits.ts'

function slowLake(keep_ms = 5_000) {
  const clock = new ManualClock()
  const notes: string[] = []
  const part = lakeParts(clock, keep_ms, (text) => notes.push(text))
  const asked: PromiseWithResolvers<string>[] = []
  const ask = (key = 'states') =>
    part(key, () => {
      const one = Promise.withResolvers<string>()
      asked.push(one)
      return one.promise
    })
  return { clock, asked, ask, notes }
}

test('what comes in time is part of the answer', async () => {
  const { asked, ask } = slowLake()
  const told = ask()
  asked[0]?.resolve('on')
  expect(await told).toBe('on')
})

test('an answer goes without what is late, and who asks next has it; the lake is asked once', async () => {
  const { clock, asked, ask } = slowLake()
  const first = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect(await first).toBeUndefined()
  const second = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect(await second).toBeUndefined()
  asked[0]?.resolve('on')
  await clock.advance(4_000)
  expect(await ask()).toBe('on')
  expect(asked.length).toBe(1)
  await clock.advance(1_001)
  void ask()
  expect(asked.length).toBe(2)
})

test('while its successor is late the last one stands in, until it is too old', async () => {
  const { clock, asked, ask } = slowLake()
  const first = ask()
  asked[0]?.resolve('on')
  expect(await first).toBe('on')
  await clock.advance(5_000)
  const second = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect([await second, asked.length]).toEqual(['on', 2])
  await clock.advance(LAKE_PART_OLD_MAX_MS)
  const third = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect([await third, asked.length]).toEqual([undefined, 2])
  asked[1]?.resolve('off')
  await clock.advance(1)
  expect(await ask()).toBe('off')
})

test('an answer goes without what fails, in time or late, a bug too; the next one asks anew, and it is noted once', async () => {
  const { clock, asked, ask, notes } = slowLake()
  const first = ask()
  asked[0]?.reject(new Problem('unavailable', 'the bucket is away'))
  expect(await first).toBeUndefined()
  const second = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect(await second).toBeUndefined()
  asked[1]?.reject(new TypeError('x is not a function'))
  await clock.advance(1)
  const third = ask()
  asked[2]?.resolve('on')
  expect(await third).toBe('on')
  expect(notes).toEqual(['pages go without states of the lake: the bucket is away', 'the lake tells states again'])
})

test('of a slow lake few are asked for at a time, and what is being asked for is not forgotten', async () => {
  const { clock, asked, ask } = slowLake()
  const many = Array.from({ length: ANSWERS_SHARED_MAX * 2 }, (_, i) => ask(`states of ${i}`))
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect(await Promise.all(many)).toEqual(many.map(() => undefined))
  expect(asked.length).toBe(LAKE_PARTS_ASKED_MAX)
  asked[0]?.resolve('on')
  await clock.advance(1)
  expect(await ask('states of 0')).toBe('on')
})
