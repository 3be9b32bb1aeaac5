/** Damage in a lake: it is named, with what to do, by all that meet it, and what it does not touch goes on. */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { entryPath } from '../lake/log.ts'
import { openSystem, type Result, type System, until } from './testing/system.ts'

const LIMIT_MS = 120_000
let system: System

/** Three homes with two days of history, whose figures are made. */
beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  const tree = system.start(['up', '--demo', '--hubs', '3', '--days', '2'])
  await tree.untilSaid(/Hearth is ready/, LIMIT_MS)
  await until('the figures of the history are made', LIMIT_MS, async () => {
    const [[made] = []] = await system.csv('select count(*) > 100 from hub_hours').catch(() => [])
    return made === 'true'
  })
  process.kill(-tree.pid, 'SIGINT')
  expect((await tree.ended).code).toBe(0)
}, 2 * LIMIT_MS)
afterAll(() => system[Symbol.asyncDispose]())

/** A copy of the state folder, for a test to break. */
function copy() {
  const home = mkdtempSync(join(tmpdir(), 'hearth-bad-day-'))
  cpSync(system.home, home, { recursive: true })
  const run = (...words: string[]) => system.run(words, { HEARTH_HOME: home })
  const inLake = (path: string) => join(home, 'lake', path)
  return { run, inLake, end: () => rmSync(home, { recursive: true }) }
}

/** One line that names it, no word about a bug. */
function expectNamed({ code, stderr }: Result, path: string): void {
  expect(stderr).toContain(path)
  expect(stderr).not.toContain('this is a bug')
  expect(code).not.toBe(0)
}

test('a data file with other bytes is named by queries, jobs and verify, and the rest of each is done', async () => {
  const { run, inLake, end } = copy()
  const files = globSync('events/event_date=*/bucket=*/part-*.parquet', { cwd: inLake('') }).toSorted()
  const dates = [...new Set(files.map((path) => path.split('/')[1]))]
  // A day that is over, and not the first: what is before and after it goes on.
  const damaged = files.find((path) => path.includes(`${dates[1]}/`)) ?? ''
  const bytes = readFileSync(inLake(damaged))
  const footer_bytes = bytes.readUInt32LE(bytes.length - 8)
  writeFileSync(inLake(damaged), bytes.fill(0x55, 4, bytes.length - 8 - footer_bytes))
  const date = String(dates[1]).split('=')[1]

  expectNamed(await run('sql', `select max(hub_id), sum(seq) from events where event_date = '${date}'`), damaged)
  expect((await run('sql', `select max(hub_id), sum(seq) from events where event_date > '${date}'`)).code).toBe(0)
  expectNamed(await run('verify'), damaged)
  // All of it is to be made anew.
  rmSync(inLake('command_traces'), { recursive: true })
  expectNamed(await run('jobs', 'run'), damaged)
  const made = await run('sql', '--csv', 'select distinct cast(metric_date as varchar) from command_traces order by 1')
  const days = made.stdout.split('\r\n').slice(1, -1)
  expect(days.length).toBeGreaterThan(0)
  expect(days).not.toContain(date)
  const told = await run(
    'sql',
    '--csv',
    `select metric, reason from job_runs where outcome = 'failed' and reason like '%${damaged}%'`,
  )
  expect(told.stdout).toContain('command_traces')

  const status = await run('jobs', 'status')
  expect(status.stdout).toMatch(/^command_traces .* failing /m)
  expect(status.stdout).toMatch(new RegExp(`^command_traces failed .*: the data file ${damaged} cannot be read`, 'm'))
  const explained = await run('jobs', 'explain', 'command_traces', `${date}T12`)
  expect(explained.stdout).toMatch(/^Not computed yet: it failed /m)
  const plan = await run('jobs', 'plan', '--all')
  expect(plan.code).toBe(0)
  expect(plan.stdout).toMatch(new RegExp(`^command_traces +${date} 12:00Z `, 'm'))
  expect(plan.stdout).toMatch(new RegExp(`^command_traces failed: the data file ${damaged} cannot be read`, 'm'))
  end()
})

test('an entry of the log that is torn is named by all that need it', async () => {
  const { run, inLake, end } = copy()
  const path = entryPath('events', 1)
  // Nothing spares a reader this entry.
  for (const checkpoint of globSync('events/_delta_log/*.checkpoint.parquet', { cwd: inLake('') }))
    rmSync(inLake(checkpoint))
  truncateSync(inLake(path), 50)
  expectNamed(await run('sql', 'select count(*) from events'), path)
  expectNamed(await run('verify'), path)
  end()
})
