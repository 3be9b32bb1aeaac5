import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockState } from './state-lock.ts'

const home = () => mkdtempSync(join(tmpdir(), 'hearth-lock-'))

test('one holder at a time; the next one once it is released', () => {
  const folder = home()
  const held = lockState(folder, 'up', 'somebody has it')
  expect(() => lockState(folder, 'up', 'somebody has it')).toThrow('somebody has it')
  lockState(folder, 'another', 'nobody has this one').release()
  held.release()
  lockState(folder, 'up', 'somebody has it').release()
  rmSync(folder, { recursive: true })
})

test('a holder that is killed holds nothing', () => {
  const folder = home()
  const program = `import { lockState } from ${JSON.stringify(join(import.meta.dirname, 'state-lock.ts'))}
lockState(${JSON.stringify(folder)}, 'up', 'taken'); process.kill(process.pid, 'SIGKILL')`
  const { signal } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program])
  expect(signal).toBe('SIGKILL')
  lockState(folder, 'up', 'somebody has it').release()
  rmSync(folder, { recursive: true })
})
