/** The example hubs of docs/examples against a real system: what the document shows is what runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { exampleInC, exampleInPython, startExample } from '../infra/hub-examples.ts'
import { openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000
const SOON_MS = 30_000
type Example = ReturnType<typeof startExample>

let system: System
let build: string
let token: string
const running: Example[] = []

beforeAll(async () => {
  build = mkdtempSync(join(tmpdir(), 'hearth-examples-'))
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  token = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
  const services = [system.start(['ingest']), system.start(['relay'])]
  for (const service of services) await service.untilSaid(/"event":"ready"/, START_MS)
})
afterEach(() => {
  for (const one of running.splice(0)) one.kill()
})
afterAll(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(build, { recursive: true })
})

const languages = { c: exampleInC, python: exampleInPython }

describe.each(['c', 'python'] as const)('the example in %s', (language) => {
  const hub = `example-${language}`

  async function start(): Promise<Example> {
    const { ports, home } = system
    const words = await languages[language](build)
    const started = startExample(words, { relay: ports.hub, gateway: ports.mqtt, folder: join(home, hub) })
    running.push(started)
    return started
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
    first.kill()
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
