/** What only looks makes nothing, neither where there is nothing nor in a lake that is new. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { COMMANDS, newProgram } from './commands.ts'
import { configSchema } from './config.ts'
import type { CliContext } from './context.ts'
import { openLocalLake } from './fleet.ts'
import { machineClock, machineRandom } from './machine.ts'

let folder = ''
let context: CliContext
let said = ''
const say = (line: string) => {
  said += `${line}\n`
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-looking-'))
  context = {
    ...{ home: join(folder, 'home'), config: configSchema.parse({}), clock: machineClock, random: machineRandom },
    print: say,
    note: say,
    signal: new AbortController().signal,
  }
})
afterEach(() => rmSync(folder, { recursive: true }))

async function run(line: string): Promise<void> {
  said = ''
  const words = line.split(' ')
  const program = newProgram()
  const entry = COMMANDS.find(({ name }) => name === words[0])
  ;(await entry?.load())?.register(program, context)
  await program.parseAsync(words, { from: 'user' })
}

const noLake = /^there is no lake at file:.*\/home\/lake; hearth up makes one$/
const noRegistry = /^there is no registry at .*\/home\/registry.db; hearth up makes one/

test.each([
  ['verify', noLake],
  ['sql x', noLake],
  ['lake info', noLake],
  ['jobs plan', noLake],
  ['jobs plan --direct', noLake],
  ['jobs status', noLake],
  ['jobs explain hub_hours 2026-11-24T13', noLake],
  ['jobs run', noLake],
  ['deadletters list', noLake],
  ['deadletters show 1:2:3', noLake],
  ['registry hubs', noRegistry],
  ['registry tokens', noRegistry],
  ['registry code hub-1', noRegistry],
  ['registry retire hub-1', noRegistry],
  ['ca list', /^there is no CA at .*\/home\/ca; hearth up makes one/],
])('hearth %s where there is nothing', async (line, message) => {
  await expect(run(line)).rejects.toMatchObject({ kind: 'missing', message: expect.stringMatching(message) })
  expect(existsSync(context.home)).toBe(false)
})

test('hearth registry tokens shows those that were revoked only when asked', async () => {
  for (const app of ['panel', 'history-1', 'history-2']) await run(`registry token create ${app}`)
  for (const app of ['history-1', 'history-2']) await run(`registry token revoke ${app}`)
  await run('registry tokens')
  expect(said).toMatch(/^2 that were revoked are left out; --all shows them\napp [^\n]*\n─[^\n]*\npanel [^\n]*\n$/)
  await run('registry tokens --all')
  expect(said).toMatch(/^app [^]*history-1[^]*history-2[^]*panel/)
})

test('what is made already, or counts later only, is told', async () => {
  await run('ca init')
  expect(said).not.toContain('there already')
  await run('ca init')
  expect(said).toMatch(/^The CA of fleet demo, which was there already: /)
  await run('registry add attic-1')
  await run('registry change attic-1 --model h2')
  expect(said).not.toContain('counts from')
  await run('registry change attic-1 --model h3 --from 2099-01-01T00:00Z')
  expect(said).toMatch(/^this counts from 2099-01-01 00:00.* on; until then it stays as it was\n/)
})

test('a hub that is not in the registry is told', async () => {
  await expect(run('registry token create panel --hub attic-2')).rejects.toThrow('no hub attic-2 in the registry')
  await openLocalLake(context)
  await run('deadletters list --source attic-2')
  expect(said).toMatch(/^attic-2 is no hub of the registry: hearth registry hubs lists them\n/)
})

test('a file that an option names and that is not there is told by both', async () => {
  await openLocalLake(context)
  const reason = '/no/such/file cannot be read: it, or its folder, is not there'
  await expect(run('verify --acks /no/such/file')).rejects.toThrow(`--acks: ${reason}`)
  await expect(run('ca issue relay-1 --role service --csr /no/such/file')).rejects.toThrow(`--csr: ${reason}`)
})

test('a lake that nothing was ever sent to is the same after it was looked at', async () => {
  const lake = await openLocalLake(context)
  const before = readdirSync(context.home, { recursive: true })
  for (const line of ['verify', 'jobs plan --direct', 'jobs status', 'deadletters list', 'lake tables']) await run(line)
  await expect(run('jobs explain hub_hours 2026-11-24T13')).rejects.toThrow('there are no events yet')
  expect(readdirSync(context.home, { recursive: true })).toEqual(before)
  expect(await lake.tables()).toEqual(['events'])
})

test('the plan of what a cluster makes asks no cluster', async () => {
  await openLocalLake(context)
  // Whoever asked would be told that pods cannot reach a lake in a folder.
  context = { ...context, config: configSchema.parse({ jobs: { runner: 'kubernetes' } }) }
  for (const line of ['jobs plan', 'jobs plan --direct']) {
    await run(line)
    expect(said).toBe('Nothing is due.\n')
  }
  await expect(run('jobs run')).rejects.toThrow('its pods need a lake that they can reach')
})
