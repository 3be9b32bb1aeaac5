import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAlerts } from '../jobs/alerts/alerts.ts'
import { openJobs } from '../jobs/jobs.ts'
import { openQuery } from '../lake/query.ts'
import { configSchema } from './config.ts'
import { endingOf } from './ending.ts'
import { existingLake, openLocalLake } from './fleet.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { register } from './objectives.ts'

let home = ''
let printed: string[] = []

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hearth-objectives-'))
  await openLocalLake({ home, clock, random, config: configSchema.parse({}) })
  await makeMetrics()
})
afterEach(() => rmSync(home, { recursive: true }))

async function makeMetrics(): Promise<void> {
  const lake = await existingLake({ home, clock, random, config: configSchema.parse({}) })
  await using jobs = await openJobs({ lake, clock, random, scratch_folder: join(home, 'spool') })
  await jobs.run()
}

async function run(...words: readonly string[]): Promise<void> {
  printed = []
  const program = new Command().exitOverride()
  register(program, {
    ...{ home, clock, random, config: configSchema.parse({}), note: () => undefined },
    ...{ print: (line) => printed.push(line), signal: new AbortController().signal },
  })
  await program.parseAsync(['objectives', ...words], { from: 'user' })
}

test('a lake begins with the objectives that come with Hearth', async () => {
  const lake = await existingLake({ home, clock, random, config: configSchema.parse({}) })
  expect((await (await lake.table('objectives')).snapshot()).files.size).toBe(1)
})

test('the files of a folder take the place of all that stand', async () => {
  const folder = join(home, 'mine')
  mkdirSync(folder)
  const ours = new URL('../jobs/objectives/', import.meta.url)
  cpSync(new URL('tap-to-light.yaml', ours), join(folder, 'mine.yaml'))
  await run('apply', folder, '--dry-run')
  expect(printed).toEqual(['understood: tap-to-light'])
  await run('apply', folder)
  expect(printed).toEqual([expect.stringMatching(/^given, as version \d+: tap-to-light\./)])
  const file = readFileSync(join(folder, 'mine.yaml'), 'utf8')
  writeFileSync(join(folder, 'mine.yaml'), file.replace('op: lte', 'op: gt'))
  await expect(run('apply', folder)).rejects.toThrow(
    `${folder}/mine.yaml: spec.objectives.0.op: expected lte; found "gt"`,
  )
  await expect(run('apply', join(home, 'none'))).rejects.toThrow(/none: expected a folder that can be read/)
  await run('apply', '--defaults')
  expect(printed[0]).toContain(
    readdirSync(ours)
      .map((name) => name.replace('.yaml', ''))
      .toSorted()
      .join(', '),
  )
})

test('what is given is told as JSON, and what is to be given is one thing and a folder', async () => {
  await run('apply', '--defaults', '--dry-run', '--json')
  expect(JSON.parse(printed.join())).toMatchObject({ objectives: expect.arrayContaining(['tap-to-light']) })
  await run('apply', '--defaults', '--json')
  expect(JSON.parse(printed.join())).toMatchObject({ version: expect.any(Number), objectives: expect.any(Array) })
  await expect(run('apply', 'mine', '--defaults')).rejects.toThrow(/or --defaults; found both, mine and --defaults$/)
  await expect(run('apply')).rejects.toThrow(/or --defaults; found neither$/)
  const file = join(home, 'mine.yaml')
  writeFileSync(file, '')
  await expect(run('apply', file)).rejects.toThrow(`${file} is a file: give the folder that it is in`)
})

test('an objective that matches no data is told, and is an error', async () => {
  await expect(run('status', '--json')).rejects.toThrow(/no data of its window .*: command-success, .*telemetry-loss:/)
  const found: unknown = JSON.parse(printed.join())
  expect(found).toMatchObject(Array.from({ length: 4 }, () => ({ state: 'no data', total: 0, alerts: [] })))
  const failed = await run('status').catch((error: unknown) => error)
  expect(endingOf(failed, new AbortController().signal)).toMatchObject({ code: 1, isFault: true })
  expect(printed[0]).toMatch(/^command-success +page +1h and 5m +– and – +14\.4× +no data$/m)
})

test('each change of an alert is told, with how fast the budget was spent', async () => {
  await run('history')
  expect(printed).toEqual(['(none)'])
  const lake = await existingLake({ home, clock, random, config: configSchema.parse({}) })
  await using query = await openQuery({ lake, clock })
  const alerts = openAlerts({
    ...{ lake, query, clock, random, receivers: [], dashboards_url: '' },
    ...{ changed: () => undefined, told: () => undefined, untold: () => undefined, unexplained: () => undefined },
  })
  await alerts.tick(new AbortController().signal)
  await run('history', '--days', '1')
  expect(printed[0]).toMatch(/Z +command-success +page +ok → no data +– over 1h, – over 5m +14\.4×$/m)
  await run('history', '--json')
  expect(JSON.parse(printed.join())).toContainEqual(
    expect.objectContaining({ objective: 'telemetry-loss', severity: 'ticket', sequence: 1, state: 'no data' }),
  )
  await expect(run('history', '--days', 'x')).rejects.toThrow('--days: expected a whole number from 1; found "x"')
})
