import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('an option that is not there is told in a line, with those that are', () => {
  const words = [join(import.meta.dirname, 'bench.ts'), 'writer', '--rond', '1']
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  expect(stderr).toMatch(/^Unknown option '--rond'; there are --rounds, [^\n]*\n$/)
  expect(status).toBe(2)
})
