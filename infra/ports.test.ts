import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { freePorts } from './ports.ts'

/** Of its own: another checkout may run its tests on this machine. */
const RANGE = { first: randomInt(5_000, 11_900), count: 10 }

/** The ports that another process gets. */
async function elsewhere(count: number): Promise<readonly number[]> {
  const module = fileURLToPath(new URL('./ports.ts', import.meta.url))
  const program = `import { freePorts } from ${JSON.stringify(module)}
    console.log(JSON.stringify(await freePorts(${count}, ${JSON.stringify(RANGE)})))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  return JSON.parse(stdout)
}

it('a port belongs to the process that asked for it, also while nothing listens on it', async () => {
  const here = await freePorts(6, RANGE)
  const there = await elsewhere(4)
  expect(new Set([...here, ...there]).size).toBe(10)
  await expect(elsewhere(5)).rejects.toThrow(`fewer than 5 free ports from ${RANGE.first} on`)
})
