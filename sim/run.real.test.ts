import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { simulate } from './simulate.ts'

const run = (...args: readonly string[]) =>
  promisify(execFile)(process.execPath, [path.join(import.meta.dirname, 'run.ts'), ...args])

test('the same seed gives the same trace in every process', async () => {
  const here = await simulate(11, new Map())
  const there = await Promise.all([run('--seed', '11', '--trace'), run('--seed', '11', '--trace')])
  const [first, again] = there.map(({ stdout }) => stdout)
  expect(first?.replace(/ in [\d.]+ s;/, '')).toBe(again?.replace(/ in [\d.]+ s;/, ''))
  expect(first).toContain(`trace ${here.trace_hash}`)
})

test('an option that there is not is told in a line, with code 2', async () => {
  await expect(run('--sedes', '3')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^Unknown option '--sedes'[^\n]*; there are --seeds, --from, [^\n]*\n$/),
  })
})

test('a broken promise is an exit code of 1, and names the command that replays it', async () => {
  const failed = run('--seeds', '3', '--plant', 'offset outside the commit')
  await expect(failed).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/again: npm run sim -- --seed \d+ --plant 'offset outside the commit' --trace/),
  })
})
