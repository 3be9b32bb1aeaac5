import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { openOutbox } from '../link/outbox.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'

const FIXTURE = new URL('crash.fixture.ts', import.meta.url).pathname
const COMMANDS = 60
const KILLS = 12

type Line = { command?: string; stage?: string; boot?: string; seq?: number; fault?: string; end?: boolean }

/** Runs the hub until it ends by itself, or until it has told `kill_after` lines: then kill -9. */
function run(folder: string, kill_after: number): Promise<Line[]> {
  const words = [FIXTURE, join(folder, 'agent.db'), join(folder, 'actuations'), String(COMMANDS - 1)]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (part: string) => {
    text += part
    if (text.split('\n').length > kill_after) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      const whole = text.slice(0, text.lastIndexOf('\n') + 1).trimEnd()
      resolve(whole === '' ? [] : whole.split('\n').map((line): Line => JSON.parse(line)))
    })
  })
}

it('killed again and again, a hub does each command at most once, and keeps every event that it gave a number', {
  retry: 0,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-crash-'))
  try {
    const told: Line[] = []
    for (let i = 0; i < KILLS; i++) told.push(...(await run(folder, 30 + Math.floor(machineRandom.float() * 60))))
    const last = await run(folder, Number.POSITIVE_INFINITY)
    told.push(...last)
    expect(last.at(-1)).toEqual({ end: true })
    expect(told.filter((line) => line.fault !== undefined)).toEqual([])

    const actuations = readFileSync(join(folder, 'actuations'), 'utf8').trimEnd().split('\n')
    expect(new Set(actuations).size).toBe(actuations.length)
    // The last run was asked for all of them: each has an end, and what was executed was done.
    const ends = new Map(
      last.filter(({ stage }) => stage && stage !== 'received').map((line) => [line.command, line.stage]),
    )
    expect(ends.size).toBe(COMMANDS)
    for (const [command, stage] of ends) {
      expect(['executed', 'interrupted']).toContain(stage)
      if (stage === 'executed') expect(actuations).toContain(command)
    }
    // None interrupted would mean that no kill fell between journal and result: then this test shows nothing.
    expect([...ends.values()].filter((stage) => stage === 'interrupted').length).toBeGreaterThan(0)

    const promised = new Set(told.filter((line) => line.boot).map((line) => `${line.boot}/${line.seq}`))
    const disk = openSqliteDisk(join(folder, 'agent.db'))
    const outbox = await openOutbox({
      ...{ disk, clock: machineClock, random: machineRandom, source: 'hub', generation: 1, firmware: '1', agent: '1' },
      streams: [{ name: 'control' }, { name: 'readings' }],
    })
    const kept = new Set<string>()
    for (let batch = outbox.take('control', { flush: true }); batch; batch = outbox.take('control', { flush: true })) {
      for (let i = 0; i < batch.count; i++) kept.add(`${batch.boot}/${batch.first + i}`)
    }
    disk.close()
    expect(promised.size).toBeGreaterThan(COMMANDS)
    expect([...promised].filter((event) => !kept.has(event))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
