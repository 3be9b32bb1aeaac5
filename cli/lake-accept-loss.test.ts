import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem, type System } from '../ingest/testing/system.ts'
import { registerAcceptLoss } from './lake-accept-loss.ts'
import { parseConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const bucket = bucketOf('demo-01', 4)

let home: string
let system: System
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hearth-accept-'))
  system = await openSystem(home)
})
afterEach(async () => {
  await system.close()
  await rm(home, { recursive: true })
})

async function run(...words: string[]): Promise<string> {
  const lines: string[] = []
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  registerAcceptLoss(program, {
    ...{ home, clock, random, config: parseConfig({ layout: { buckets: 4 } }, 'test') },
    ...{ signal: new AbortController().signal, print: (line) => lines.push(line), note: () => undefined },
  })
  await program.parseAsync(['accept-loss', ...words], { from: 'user' })
  return lines.join('\n')
}

test('what a stopped bucket lacks is said, then given up by name, beside a writer that has the log open', async () => {
  for (const [first, value] of [10, 11, 12].entries())
    await system.gateway.receive(hub, packed(batchOf([reading(1, value)], { first })), 'https')
  await system.log.trim(bucket, 3)
  const words = [String(bucket), '--by', 'anna']
  expect(await run(...words, '--dry-run')).toMatch(
    /bucket \d: anna accepted that positions 1 to 2 are lost, and the bucket goes on from 3: .*\nnothing was done/,
  )
  expect(JSON.parse(await run(...words, '--json'))).toMatchObject({
    ...{ next: 3, dry_run: false, loss: { kind: 'accepted', bucket, table_position: 0, log_first: 3, log_next: 4 } },
  })
  const writer = await system.openOne()
  await writer.commitOnce()
  expect(await system.rows(`SELECT value FROM events WHERE kind = 'reading'`)).toEqual([{ value: 12 }])
  await expect(run(...words)).rejects.toThrow(/has nothing to give up/)
})

test('it takes a name, a bucket of the lake, and an event log', async () => {
  await expect(run('1')).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' })
  await expect(run('x', '--by', 'anna')).rejects.toMatchObject({ code: 'commander.invalidArgument' })
  await expect(run('7', '--by', 'anna')).rejects.toMatchObject({ kind: 'invalid' })
})
