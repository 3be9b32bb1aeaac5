import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { alone } from './alone.ts'

const name = `alone-${process.pid}`

test('of several at once each does its work while no other does', async () => {
  let at = 0
  let most = 0
  const one = () =>
    alone(name, async () => {
      most = Math.max(most, ++at)
      await new Promise((resolve) => setImmediate(resolve))
      at--
    })
  await Promise.all([one(), one(), one()])
  expect(most).toBe(1)
})

test('what a process left that is gone stops nobody', async () => {
  const lock = join(import.meta.dirname, '../.cache', `${name}.lock`)
  await mkdir(lock, { recursive: true })
  // No process has this id.
  await writeFile(join(lock, 'pid'), String(2 ** 22 + 1))
  expect(await alone(name, () => Promise.resolve('done'))).toBe('done')
})
