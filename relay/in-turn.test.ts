import { expect, test } from 'vitest'
import { inTurn } from './in-turn.ts'

test('each has its turn once in so many steps, and no step does many', () => {
  const hubs = new Set(Array.from({ length: 1_000 }, (_, i) => i))
  const turns = new Map<number, number>()
  let now = 0
  const step = inTurn({ all: () => hubs, count: () => hubs.size, steps: 240 }, (hub) => {
    turns.set(hub, (turns.get(hub) ?? 0) + 1)
    now++
  })
  for (let i = 0; i < 240; i++) {
    now = 0
    step()
    expect(now).toBeLessThanOrEqual(5)
  }
  expect([...new Set(turns.values())]).toEqual([1])
  expect(turns.size).toBe(1_000)
})

test('one alone is not done more often, who came has a turn, and who went has none', () => {
  const hubs = new Set(['a'])
  const done: string[] = []
  const step = inTurn({ all: () => hubs, count: () => hubs.size, steps: 10 }, (hub) => done.push(hub))
  const round = () => {
    for (let i = 0; i < 10; i++) step()
  }
  round()
  round()
  expect(done.splice(0)).toEqual(['a', 'a'])
  hubs.add('b')
  round()
  round()
  expect(done.splice(0).sort()).toEqual(['a', 'a', 'b', 'b'])
  hubs.clear()
  round()
  expect(done).toEqual([])
})
