/**
 * Hubs with the real agent, each with its own outbox and journal on disk, and a lamp behind a radio that takes its time.
 * Prints `ready` when all are connected; for each line that it is given, when lamps took which level since the last.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { seededRandom, sleep } from '../../contract/clock.ts'
import { startAgent } from '../../hub-agent/agent.ts'
import type { Devices } from '../../hub-agent/devices.ts'
import { openSqliteDisk } from '../../link/sqlite-disk.ts'
import { certificates } from '../many-hubs.ts'
import { homesTask, machineMonotonic_ms } from './parts.ts'
import { drawDelay_ms } from './profiles.ts'

const task = homesTask.parse(JSON.parse(process.argv[2] ?? ''))
const hubs = Object.entries(certificates.parse(JSON.parse(readFileSync(task.hubs_file, 'utf8'))))
const chance = seededRandom(task.seed)
let lit: (readonly [level: number, at_ms: number])[] = []
let connected = 0

for (const [hub, tls] of hubs) {
  const folder = join(task.folder, hub)
  mkdirSync(folder, { recursive: true })
  await startAgent({
    ...{ hub, tls, clock, random, generation: 1, firmware: 'bench', devices: lamp() },
    disk: openSqliteDisk(join(folder, 'agent.db')),
    relay: { host: '127.0.0.1', port: task.relay_port },
    gateway: { host: '127.0.0.1', port: task.gateway_port },
    notice(fact) {
      if (fact.fact === 'fault') process.stderr.write(`${hub}: ${fact.message}\n`)
      if (fact.fact === 'connected' && fact.to === 'relay' && ++connected === hubs.length)
        process.stdout.write('ready\n')
    },
  })
}
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${JSON.stringify(lit)}\n`)
  lit = []
})

function lamp(): Devices {
  const travel = (signal: AbortSignal) => task.radio && sleep(clock, drawDelay_ms(chance, task.radio), signal)
  return {
    list: () => [{ device: 'lamp', type: 'lamp', attributes: ['powered', 'brightness'] }],
    subscribe: () => () => undefined,
    async actuate(_device, { brightness }, signal) {
      await travel(signal)
      if (brightness !== undefined) lit.push([Number(brightness), machineMonotonic_ms()])
      await travel(signal)
    },
    close: () => Promise.resolve(),
  }
}
