import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { openSqliteLog } from './sqlite-log.ts'

/** Appends without end, and writes each position down outside once it was acknowledged. */
const CHILD = `
const { openSqliteLog } = await import('${join(import.meta.dirname, 'sqlite-log.ts')}')
const { machineClock: clock, machineRandom: random } = await import('${join(import.meta.dirname, '..', 'cli', 'machine.ts')}')
const { openSync, writeSync, fsyncSync } = await import('node:fs')
const [path, journal, round] = process.argv.slice(2)
const log = await openSqliteLog(path, { buckets: 4, clock, random })
const acks = openSync(journal, 'a')
let number = 0
async function one(bucket) {
  for (;;) {
    const text = round + '-' + number++
    const position = await log.append(bucket, { version: 1, source: 's', role: 'hub', generation: 1, received_ms: 1,
      listener: 'mqtt', codec: 'plain', value: Buffer.from(text) })
    writeSync(acks, bucket + ' ' + position + ' ' + text + '\\n')
    fsyncSync(acks)
  }
}
for (let i = 0; i < 16; i++) void one(i % 4)
`

test('nothing acknowledged is missing after kill -9, five times over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-log-kill-'))
  const path = join(folder, 'log.db')
  const journal = join(folder, 'acks')
  try {
    await writeFile(join(folder, 'child.mjs'), CHILD)
    await writeFile(journal, '')
    for (let round = 0; round < 5; round++) {
      const before = await lines(journal)
      const child = spawn(process.execPath, [join(folder, 'child.mjs'), path, journal, String(round)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      while ((await lines(journal)).length < before.length + 60 + round * 37) {
        if (child.exitCode !== null) throw new Error('the child ended by itself')
        await new Promise((resolve) => machineClock.timer(5, () => resolve(undefined)))
      }
      child.kill('SIGKILL')
      await ended
    }
    const log = await openSqliteLog(path, { buckets: 4, clock: machineClock, random: machineRandom })
    const kept = new Map<string, string>()
    for (let bucket = 0; bucket < 4; bucket++) {
      for (const { position, record } of await log.read(bucket, 1, 1e9)) {
        kept.set(`${bucket} ${position}`, Buffer.from(record.value).toString())
      }
    }
    await log.close()
    const acks = await lines(journal)
    expect(acks.length).toBeGreaterThan(300)
    for (const ack of acks) {
      const [bucket, position, text] = ack.split(' ')
      expect(kept.get(`${bucket} ${position}`)).toBe(text)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function lines(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'utf8')).split('\n').slice(0, -1)
}
