import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSystem } from '../cli/testing/system.ts'

/** The package as a user gets it: packed, installed in an empty folder, run from there. */
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'hearth-package-'))
const environment = { ...process.env, HEARTH_HOME: join(folder, 'state') }

/** No limit of the runner ends what does not return: where the registry is out of reach, npm tries on for half an hour. */
const NPM_MS = 240_000
const npm = (words: readonly string[], cwd: string) =>
  execFileSync('npm', words, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: NPM_MS })
const hearth = (...words: string[]) =>
  execFileSync(join(folder, 'node_modules/.bin/hearth'), words, { cwd: folder, encoding: 'utf8', env: environment })

beforeAll(() => {
  // Without `prepare`, which makes the pages of the checkout anew under the tests that look at them.
  npm(['run', 'prepack'], root)
  npm(['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  npm(['init', '-y'], folder)
  npm(['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, tarball ?? 'no tarball')], folder)
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('says its version and its commands', () => {
  expect(hearth('--version').trim()).toMatch(/^\d+\.\d+\.\d+$/)
  expect(hearth('--help')).toContain('hearth up --demo')
})

test('runs a command that uses the registry and the certificates', () => {
  hearth('ca', 'init')
  expect(hearth('registry', 'hubs', '--json')).toContain('[')
})

test('exports the client, and nothing else of its inside', () => {
  const node = (code: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: folder, encoding: 'utf8' })
  const client = node("console.log(Object.keys(await import('@hearthlake/hearth/client')).sort().join())")
  expect(client.stdout.trim()).toBe('OUTCOME_MEANING,Problem,connect,isProblem')
  expect(node("await import('@hearthlake/hearth/dist/relay/relay.js')").stderr).toContain(
    'ERR_PACKAGE_PATH_NOT_EXPORTED',
  )
})

test('runs the whole system: processes, worker threads, metrics and pages are all in it', async () => {
  await using system = await openSystem({}, join(folder, 'node_modules/.bin/hearth'))
  const up = system.start(['up', '--demo', '--hubs', '2', '--days', '1'])
  const [, link = ''] = await up.untilSaid(/Hearth is ready: (\S+)/, 90_000)
  const page = await fetch(link, { headers: { accept: 'text/html' } })
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<title>')])
  const sent = await system.must(['send', 'demo-01', 'kitchen-lamp', 'powered=1'])
  expect(sent).toContain('done: the device confirmed')
  expect(Number((await system.csv('select count(*) from readings'))[0]?.[0])).toBeGreaterThan(100)
  // One hub alone runs from the small modules.
  await system.must(['registry', 'add', 'attic-1', '--zone', 'Europe/Berlin'])
  const { code } = JSON.parse(await system.must(['registry', 'code', 'attic-1', '--json'])) as { code: string }
  const attic = system.start(['hub', '--id', 'attic-1', '--code', code])
  await attic.untilSaid(/connected to the relay/, 60_000)
  const loaded = readFileSync(`/proc/${attic.pid}/cmdline`, 'utf8')
  expect(loaded).toContain('--max-semi-space-size=1')
  expect(await system.must(['send', 'attic-1', 'kitchen-lamp', 'powered=1'])).toContain('done: the device confirmed')
  attic.signal('SIGINT')
  expect((await attic.ended).code).toBe(0)
  up.signal('SIGINT')
  expect(await up.ended).toEqual({ code: 0, signal: null })
  expect(await system.must(['jobs', 'run'])).not.toBe('')
  expect(await system.must(['verify'])).toContain('complete: nothing acknowledged is lost or doubled')
})

test('carries the alert rules and the dashboards that docs/operations.md names', () => {
  const carried = globSync('infra/**/*', { cwd: join(folder, 'node_modules/@hearthlake/hearth') })
  const named = [
    ...globSync('infra/alerts/*.rules.yaml', { cwd: root }),
    ...globSync('infra/grafana/*.json', { cwd: root }),
  ]
  expect(named).toHaveLength(3)
  expect(carried.filter((path) => /\.\w+$/.test(path)).sort()).toEqual(named.sort())
})

test('carries JavaScript and declarations, and no sources that Node would refuse', () => {
  const listed = execFileSync(
    'find',
    [
      'node_modules/@hearthlake/hearth',
      '-name',
      '*.ts',
      '-not',
      '-name',
      '*.d.ts',
      '-not',
      '-path',
      '*/node_modules/*/node_modules/*',
    ],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  )
  expect(listed).toBe('')
})
