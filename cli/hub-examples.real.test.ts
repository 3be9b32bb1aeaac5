/** The example hubs of docs/examples against a real system: what the document shows is what runs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type HubBound, relayBound, topics } from '../contract/command.ts'
import { exampleInC, exampleInPython, startExample } from '../infra/hub-examples.ts'
import { freePorts } from '../infra/ports.ts'
import { testFleet } from '../link/fleet.fixture.ts'
import { listenMqtt } from '../link/mqtt-endpoint.ts'
import type { MqttSession } from '../link/mqtt-handler.ts'
import { keepFiles } from './hub-files.ts'
import { machineClock } from './machine.ts'
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

/** What a crash leaves in a hub's folder between the journal and the device. */
const leaveBegun = {
  c: (folder: string, command: string, hash: string) =>
    writeFileSync(join(folder, `command-${command}`), `${hash} begun 1764008811120 kitchen-lamp\n`),
  python: (folder: string, command: string, hash: string) => {
    const db = new DatabaseSync(join(folder, 'hub.db'))
    db.exec('create table commands (id text primary key, hash, device, issued, outcome)')
    db.prepare("insert into commands values (?, ?, 'kitchen-lamp', 1764008811120, null)").run(command, hash)
    db.close()
  },
}

/** A relay that sends nonsense, takes no result of the first session, and whose first messages lie on their way for `lain_ms`. */
async function lossyRelay(hub: string, lain_ms: number, command: (session: MqttSession) => HubBound) {
  const fleet = await testFleet()
  const sessions: MqttSession[] = []
  const heard: string[] = []
  const endpoint = await listenMqtt({
    ...{ host: '127.0.0.1', port: 0, tls: await fleet.server(), fleet: 'test', clock: machineClock },
    authorise: () => ({ ok: true }),
    publishTopics: ({ source }) => [topics.result(source)],
    subscribeTopics: ({ source }) => [topics.command(source)],
    handler: {
      subscribed(session) {
        sessions.push(session)
        for (const nonsense of [
          'no JSON',
          '[]',
          '{"hearth":1,"type":"command","stamp":0}',
          JSON.stringify({ ...command(session), epoch: 'none' }),
        ])
          session.publish(topics.command(hub), Buffer.from(nonsense))
        const messages = [{ hearth: 1, type: 'clock', stamp: machineClock.monotonic() }, command(session)]
        machineClock.timer(lain_ms, () => {
          for (const message of messages) session.publish(topics.command(hub), Buffer.from(JSON.stringify(message)))
        })
      },
      message(session, { payload, qos }) {
        const said = relayBound.parse(JSON.parse(payload.toString()))
        if (said.type === 'result') heard.push(`${said.command.slice(0, 4)} ${said.stage} at QoS ${qos}`)
        if (session !== sessions[0]) return undefined
        session.close({ kind: 'lost', planned: false, text: 'before the PUBACK' })
        return new Promise(() => undefined)
      },
    },
  })
  return {
    ...{ heard, port: endpoint.port, files: await fleet.hub(hub) },
    async [Symbol.asyncDispose]() {
      await endpoint.close()
      fleet.close()
    },
  }
}

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

  test('tells what a crash interrupted until it is acknowledged, and does not do what lay on its way', async () => {
    const [begun, hash] = ['a'.repeat(32), '0123456789abcdef']
    await using relay = await lossyRelay(hub, 1_500, ({ epoch }) => ({
      ...{ hearth: 1, type: 'command', command: 'b'.repeat(32), hash, device: 'kitchen-lamp', set: { powered: true } },
      ...{ issued: machineClock.now(), stamp: machineClock.monotonic(), left_ms: 1_000, epoch },
    }))
    const folder = join(build, `alone-${language}`)
    keepFiles(folder, relay.files)
    leaveBegun[language](folder, begun, hash)
    const [gateway = 0] = await freePorts(1)
    const started = startExample(await languages[language](build), { relay: relay.port, gateway, folder })
    running.push(started)
    await until('the command ended', SOON_MS, async () => relay.heard.some((one) => one.startsWith('bbbb')))
    expect(relay.heard, started.lines.join('\n')).toEqual([
      'aaaa interrupted at QoS 1',
      'aaaa interrupted at QoS 1',
      'bbbb expired at QoS 1',
    ])
    expect(started.lines.filter((line) => line.startsWith('kitchen-lamp'))).toEqual([])
  })

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

  test('a command that relay and hub say expired is one to the question of the runbook, with the firmware of the hub', async () => {
    const { process: stopped } = await start()
    await until(`${hub} answers`, SOON_MS, async () =>
      (await send('kitchen-lamp')).stdout.includes('"outcome": "done"'),
    )
    stopped.kill('SIGSTOP')
    expect((await send('kitchen-lamp')).stdout).toContain('"outcome": "expired"')
    stopped.kill('SIGCONT')
    const said = `select count(*) from command_stages where hub_id = '${hub}' and stage = 'expired'`
    await until('both say so', SOON_MS, async () => (await system.csv(said))[0]?.[0] === '2')
    const runbook = readFileSync(join(import.meta.dirname, '../docs/operations.md'), 'utf8')
    const sql = /### HearthCommandsUnanswered.*?```sql\n(.*?)```/s.exec(runbook)?.[1] ?? ''
    expect(await system.csv(sql)).toContainEqual([hub, language === 'c' ? 'c-1.0' : 'py-1.0', '1'])
  })
})
