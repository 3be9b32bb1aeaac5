/** `hearth hub check --listen` against hubs that keep the protocol, and one that does not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startAgent } from '../hub-agent/agent.ts'
import { simulatedHome } from '../hub-agent/simulated-home.ts'
import { exampleInC, exampleInPython, startExample } from '../infra/hub-examples.ts'
import { freePorts } from '../infra/ports.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { keptFiles } from './hub-files.ts'
import { machineClock, machineRandom } from './machine.ts'
import { openSystem, type Running } from './testing/system.ts'

const START_MS = 30_000
const LIMIT_MS = 170_000

/** The check as a process, and a folder for what the hub needs. */
async function startCheck(...more: readonly string[]) {
  const system = await openSystem()
  const build = mkdtempSync(join(tmpdir(), 'hearth-check-'))
  const [relay = 0, gateway = 0] = await freePorts(2)
  const ports = ['--relay-port', String(relay), '--gateway-port', String(gateway)]
  const check = system.start(['hub', 'check', '--listen', ...ports, ...more])
  const [, folder = ''] = await check.untilSaid(/are in (\S+)/, START_MS)
  return {
    ...{ check, build, relay, gateway, folder },
    async [Symbol.asyncDispose]() {
      await system[Symbol.asyncDispose]()
      rmSync(build, { recursive: true })
    },
  }
}

const failed = (check: Running) => [...check.said().matchAll(/^FAIL {2}(\S+):/gm)].map(([, name]) => name)

test.concurrent.each([
  ['C', exampleInC, /^\d+ passed, 2 skipped$/m],
  ['Python', exampleInPython, /^\d+ passed$/m],
] as const)('the example in %s passes, and keeps its journal over a power cut', async (_language, make, counts) => {
  await using bench = await startCheck('--power-cycle')
  const words = await make(bench.build)
  const first = startExample(words, bench)
  await bench.check.untilSaid(/> cut the hub's power now/, LIMIT_MS).finally(first.kill)
  const second = startExample(words, bench)
  const { code } = await bench.check.ended.finally(second.kill)
  expect(failed(bench.check), `${bench.check.said()}${first.lines.join('\n')}`).toEqual([])
  expect(bench.check.said()).toMatch(counts)
  expect(code).toBe(0)
})

test.concurrent('Hearth’s own agent passes', async () => {
  await using bench = await startCheck()
  const tls = keptFiles(bench.folder)
  if (!tls) throw new Error('the check made no certificate')
  const disk = openSqliteDisk(join(bench.build, 'agent.db'))
  const clock = machineClock
  const random = machineRandom
  const agent = await startAgent({
    ...{ hub: 'check-hub', generation: 1, firmware: 'agent', tls, disk, clock, random, health_ms: 1_000 },
    devices: simulatedHome({ clock, random, zone: 'UTC', pace: 10 }),
    relay: { host: 'localhost', port: bench.relay },
    gateway: { host: 'localhost', port: bench.gateway },
  })
  const { code } = await bench.check.ended
  await agent.close(0)
  disk.close()
  expect(failed(bench.check), bench.check.said()).toEqual([])
  expect(code).toBe(0)
})

// By itself: a hub that hammers is known by its pace.
test('a hub that breaks rules is told which, and the exit code is 1', async () => {
  await using bench = await startCheck()
  const words = await exampleInPython(bench.build, [
    // No journal.
    ['if known and known[0][0] != hash:', 'known = []\n        if known:'],
    ['elif older:', 'elif False:'],
    ['elif left_ms <= 0:', 'elif False:'],
    ['else failures + 1', 'else 0'],
    ['time.sleep(random.uniform(0, min(20, 0.5 * 2 ** min(failures - 1, 10))))', 'time.sleep(0.001)'],
    // The CRC of the other polynomial.
    ['0x82F63B78', '0xEDB88320'],
  ])
  const hub = startExample(words, bench)
  const { code } = await bench.check.ended.finally(hub.kill)
  expect(failed(bench.check), `${bench.check.said()}${hub.lines.join('\n')}`).toEqual([
    'command.repeat',
    'command.other-hash',
    'command.older-epoch',
    'command.expired',
    'session.reconnect',
    'session.back-off',
    'telemetry.form',
  ])
  expect(bench.check.said()).toMatch(
    /FAIL {2}telemetry\.form: .*\n {6}found: .*crc says [0-9a-f]{8}, and that of the lines is/,
  )
  expect(code).toBe(1)
})
