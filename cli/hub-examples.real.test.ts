/** The example hubs of docs/examples against a real system: what the document shows is what runs. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { aptInstall } from '../infra/apt.ts'
import { linesOf, type Spoken } from '../infra/mqtt-clients/python.ts'
import { pythonOf } from '../infra/python.ts'
import { openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000
const SOON_MS = 30_000
const example = (name: string) => fileURLToPath(new URL(`../docs/examples/${name}`, import.meta.url))

let system: System
let build: string
let token: string
const running = new Set<Spoken>()

beforeAll(async () => {
  build = mkdtempSync(join(tmpdir(), 'hearth-examples-'))
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  token = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
  const services = [system.start(['ingest']), system.start(['relay'])]
  for (const service of services) await service.untilSaid(/"event":"ready"/, START_MS)
})
afterEach(() => {
  for (const { process: one } of running) if (one.pid !== undefined) process.kill(-one.pid, 'SIGKILL')
  running.clear()
})
afterAll(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(build, { recursive: true })
})

const languages = {
  /** As the file says that it is built. */
  async c() {
    const isThere = () => {
      try {
        execFileSync('cc', ['-E', '-'], { input: '#include <openssl/ssl.h>\n', stdio: ['pipe', 'ignore', 'ignore'] })
        return true
      } catch {
        return false
      }
    }
    await aptInstall(() => (isThere() ? [] : ['gcc', 'libc6-dev', 'libssl-dev']))
    const program = join(build, 'hub')
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, example('hub.c'), '-lssl', '-lcrypto'])
    return [program]
  },
  async python() {
    return [await pythonOf('mqtt-clients'), example('hub.py')]
  },
}

describe.each(['c', 'python'] as const)('the example in %s', (language) => {
  const hub = `example-${language}`

  async function start(): Promise<Spoken> {
    const [program = '', ...words] = await languages[language]()
    const { ports, home } = system
    const folder = join(home, hub)
    const all = [...words, `localhost:${ports.hub}`, `localhost:${ports.mqtt}`, folder]
    const spoken = linesOf(spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'], detached: true }))
    running.add(spoken)
    return spoken
  }

  const send = (device: string) => system.run(['send', hub, device, 'powered=1', '--json'], { HEARTH_TOKEN: token })

  test('answers commands, once each, and its telemetry reaches the lake', async () => {
    await system.must(['registry', 'add', hub])
    await system.must(['ca', 'issue', hub, '--out', join(system.home, hub)])
    const first = await start()
    await until(`${hub} answers`, SOON_MS, async () =>
      (await send('kitchen-lamp')).stdout.includes('"outcome": "done"'),
    )
    expect(first.lines.filter((line) => /^kitchen-lamp \{"powered": ?(1|true)\}$/.test(line)).length).toBeGreaterThan(0)
    expect((await send('cellar-pump')).stdout).toContain('"outcome": "rejected"')
    // A second boot ships what the first left, and goes on.
    process.kill(-(first.process.pid ?? 0), 'SIGKILL')
    running.delete(first)
    await start()
    await until(`${hub} answers again`, SOON_MS, async () =>
      (await send('kitchen-lamp')).stdout.includes('"outcome": "done"'),
    )
    const stages = async () =>
      system.csv(
        `select boot_id, kind, stage, count(*) from events where source_id = '${hub}' and kind in ('command', 'health') group by all order by all`,
      )
    await until('both boots are in the lake', SOON_MS, async () => {
      const rows = await stages()
      const boots = new Set(
        rows.filter(([, kind, stage]) => kind === 'command' && stage === 'executed').map(([boot]) => boot),
      )
      return boots.size === 2 && rows.filter(([, kind]) => kind === 'health').length === 2
    })
    expect(await system.csv(`select count(*) from events where source_id = '${hub}' and kind = 'dead'`)).toEqual([
      ['0'],
    ])
  })
})
