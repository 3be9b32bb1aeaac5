import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inOrder } from './in-order.ts'

test('gives all in order, however long each takes, and never more at once than it may', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(4), { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), async (turns, count) => {
      let underWay = 0
      let most = 0
      const work = async (item: readonly [number, number]) => {
        most = Math.max(most, ++underWay)
        for (let i = 0; i < item[1]; i++) await turn()
        underWay--
        return item[0] * 2
      }
      const items = turns.map((many, i) => [i, many] as const)
      const found: number[] = []
      for await (const [[i], made] of inOrder(items, count, work)) found.push(i, made)
      expect(found).toEqual(items.flatMap(([i]) => [i, i * 2]))
      expect(most).toBeLessThanOrEqual(count)
      if (turns.every((many) => many > 0)) expect(most).toBe(Math.min(count, items.length))
    }),
  )
})

test('fails with the first failure in order, after what came before it', async () => {
  const work = (item: number) => (item < 2 ? Promise.resolve(item) : Promise.reject(new Error(`no ${item}`)))
  const found: number[] = []
  const all = async () => {
    for await (const [item] of inOrder([0, 1, 2, 3], 4, work)) found.push(item)
  }
  await expect(all()).rejects.toThrow('no 2')
  expect(found).toEqual([0, 1])
})
