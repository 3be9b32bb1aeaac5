import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configSchema } from './config.ts'
import { openLocalLake, openRegistry } from './fleet.ts'
import { registerErase } from './lake-erase.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-erase-'))
})
afterEach(() => rmSync(home, { recursive: true }))

test('a hub that is still enrolled is erased with a word on how to retire it, one that is retired without', async () => {
  const notes: string[] = []
  const context = { ...{ home, clock, random, config: configSchema.parse({}) }, print: () => undefined }
  const run = async (...words: string[]) => {
    notes.length = 0
    const program = new Command()
    const signal = new AbortController().signal
    registerErase(program, { ...context, signal, note: (line) => notes.push(line) })
    await program.parseAsync(['erase', '--hub', 'attic-1', '--json', ...words], { from: 'user' })
  }
  await openLocalLake(context)
  const registry = await openRegistry(context)
  const record = { hub: 'attic-1', home: 'h', region: 'local', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 1 }
  await registry.putHub({ ...record, maintenance: [] }, 1)
  await run('--dry-run')
  expect(notes).toEqual([])
  await run()
  expect(notes).toEqual([
    expect.stringMatching(/still enrolled .* dropped from now on: hearth registry retire attic-1/),
  ])
  await registry.retireHub('attic-1', clock.now())
  await registry.close()
  await run()
  expect(notes).toEqual([])
})
