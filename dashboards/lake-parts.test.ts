import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import { lakeParts } from './lake-parts.ts'
import { LAKE_PART_WAIT_MAX_MS } from './limits.ts'

function slowLake(keep_ms = 5_000) {
  const clock = new ManualClock()
  const part = lakeParts(clock, keep_ms)
  const asked: PromiseWithResolvers<string>[] = []
  const ask = () =>
    part('states', () => {
      const one = Promise.withResolvers<string>()
      asked.push(one)
      return one.promise
    })
  return { clock, asked, ask }
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

test('an answer goes without what fails, in time or late, and the next one asks anew', async () => {
  const { clock, asked, ask } = slowLake()
  const first = ask()
  asked[0]?.reject(new Problem('unavailable', 'the bucket is away'))
  expect(await first).toBeUndefined()
  const second = ask()
  await clock.advance(LAKE_PART_WAIT_MAX_MS)
  expect(await second).toBeUndefined()
  asked[1]?.reject(new Problem('limit', 'it took too long'))
  await clock.advance(1)
  void ask()
  expect(asked.length).toBe(3)
})

test('a bug is no missing part', async () => {
  const { asked, ask } = slowLake()
  const told = ask()
  asked[0]?.reject(new TypeError('x is not a function'))
  await expect(told).rejects.toThrow('x is not a function')
})
