/** `hearth sql` as a person meets it: what it prints, and that nothing asked of it goes on without an end. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { configSchema } from './config.ts'
import { openLocalLake } from './fleet.ts'
import { machineClock, machineRandom } from './machine.ts'
import { cpuOf_s, openSystem, type System, until } from './testing/system.ts'

let system: System
beforeAll(async () => {
  system = await openSystem()
  const { home } = system
  await openLocalLake({ home, config: configSchema.parse({}), clock: machineClock, random: machineRandom })
})
afterAll(() => system[Symbol.asyncDispose]())

it('answers as a table, as JSON and as CSV', async () => {
  const ask = "select 'a,b' as text, 9007199254740993 as exact, null as nothing"
  expect(await system.must(['sql', ask])).toMatch(/^text +exact +nothing\n─+ .*\na,b +9007199254740993 +·\n$/)
  expect(await system.must(['sql', '--csv', ask])).toBe('text,exact,nothing\r\n"a,b",9007199254740993,\r\n')
  expect(JSON.parse(await system.must(['sql', '--json', ask]))).toMatchObject({
    rows: [{ text: 'a,b', exact: '9007199254740993', nothing: null }],
    truncated: false,
  })
})

it('says when it shows not all rows, and how to see more', async () => {
  const { code, stdout, stderr } = await system.run(['sql', '--csv', '--limit', '3', 'select * from range(100000000)'])
  expect([code, stdout.split('\r\n').length]).toEqual([0, 5])
  expect(stderr).toBe('only the first 3 rows are shown; --limit shows more\n')
})

it('writes a whole file, or none and says so', async () => {
  const folder = join(system.home, 'answers')
  mkdirSync(folder)
  const file = join(folder, 'numbers.csv')
  writeFileSync(file, 'an older and longer answer')
  expect(await system.must(['sql', '--csv', '--output', file, 'select 1 as one'])).toBe('')
  expect(readFileSync(file, 'utf8')).toBe('one\r\n1\r\n')
  for (const path of [join(folder, 'none', 'numbers.csv'), folder, join(file, 'numbers.csv')]) {
    const { code, stdout, stderr } = await system.run(['sql', '--output', path, 'select 1 as one'])
    expect(stderr).toMatch(new RegExp(`^hearth: --output: ${path} cannot be written: [^\n]*\n$`))
    expect([code, stdout]).toEqual([1, ''])
  }
  expect(readdirSync(folder)).toEqual(['numbers.csv'])
  expect(piped('sql --csv --output /dev/fd/1 "select 1 as one" | cat')).toEqual([0, 'one\r\n1\r\n', ''])
})

it('ends without a word when its reader is gone', () => {
  expect(piped('sql --csv "select * from range(100000)" | head -1')).toEqual([141, 'range\r\n', ''])
})

/** Code, standard output and standard error of `hearth <line>` in a shell. */
function piped(line: string) {
  const hearth = fileURLToPath(new URL('./hearth.js', import.meta.url))
  const words = ['-o', 'pipefail', '-c', `"$0" "$1" ${line}`, process.execPath, hearth]
  const { status, stdout, stderr } = spawnSync('bash', words, { env: system.environment, encoding: 'utf8' })
  return [status, stdout, stderr]
}

it.each([
  ['a join without an end', 'select count(*) from range(1000000000000) a, range(1000000) b'],
  [
    'a recursion without an end',
    'with recursive n as (select 1 as i union all select i + 1 from n) select max(i) from n',
  ],
  ['a call that cannot be interrupted', "select length(repeat('x', 1500000000))"],
])('ends %s at its time', async (_what, ask) => {
  const { code, stderr } = await system.run(['sql', '--timeout', '1', ask])
  expect(stderr).toMatch(/^hearth: the query (took longer than 1 s and was cancelled|was cancelled|needs more memory)/)
  expect([code, stderr.split('\n').length]).toEqual([1, 2])
})

it('refuses what is no question, in a line, with code 2', async () => {
  const { code, stdout, stderr } = await system.run(['sql', "select * from read_text('/etc/passwd')"])
  expect(stderr).toMatch(/^hearth: read_text\(…\) is not allowed in FROM; allowed are unnest, [^\n]*\n$/)
  expect([code, stdout]).toEqual([2, ''])
})

it('ends at Ctrl-C, while it computes, with code 130', async () => {
  const asked = system.start(['sql', 'select count(*) from range(1000000000000) a, range(1000000) b'])
  // Far more than it takes to start.
  await until('the query computes', 60_000, () => cpuOf_s(asked.pid) >= 4)
  asked.signal('SIGINT')
  expect(await asked.ended).toEqual({ code: 130, signal: null })
  expect(asked.said()).toMatch(/^hearth: the query was cancelled\n$/)
})
