import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** The package as a user gets it: packed, installed in an empty folder, run from there. */
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'hearth-package-'))
const environment = { ...process.env, HEARTH_HOME: join(folder, 'state') }

const npm = (words: readonly string[], cwd: string) =>
  execFileSync('npm', words, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const hearth = (...words: string[]) =>
  execFileSync(join(folder, 'node_modules/.bin/hearth'), words, { cwd: folder, encoding: 'utf8', env: environment })

beforeAll(() => {
  npm(['pack', '--pack-destination', folder], root)
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
