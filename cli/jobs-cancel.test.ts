import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runObjects } from '../jobs/run-objects.ts'
import { configSchema } from './config.ts'
import { openLocalLake } from './fleet.ts'
import { registerCancel } from './jobs-cancel.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'

const config = configSchema.parse({})
let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-cancel-'))
})
afterEach(() => rmSync(home, { recursive: true }))

async function cancel(...words: readonly string[]): Promise<string> {
  const printed: string[] = []
  const program = new Command().exitOverride()
  registerCancel(program, {
    ...{ home, clock, random, config, note: () => undefined },
    ...{ print: (line) => printed.push(line), signal: new AbortController().signal },
  })
  await program.parseAsync(['cancel', ...words], { from: 'user' })
  return printed.join('\n')
}

test('runs under way are listed, for people and as JSON, and one that is not there is told', async () => {
  const { store } = await openLocalLake({ home, clock, random, config })
  expect(await cancel()).toBe('no run is under way elsewhere')
  expect(JSON.parse(await cancel('--json'))).toEqual({ under_way: [] })
  await runObjects(store, 'hubs-1').begin('{}')
  expect(await cancel()).toBe('hubs-1')
  expect(JSON.parse(await cancel('--json'))).toEqual({ under_way: ['hubs-1'] })
  await expect(cancel('hubs-2')).rejects.toThrow('no run hubs-2 is under way; there are hubs-1')
  await expect(cancel('hubs-1', '--json')).rejects.toThrow(/is ended where it is kubernetes$/)
})
