/** Clients of other makers as hubs, over mutual TLS. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as mqttConnect } from 'mqtt'
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { mosquittoClients } from '../infra/mosquitto/program.ts'
import { linesOf, PYTHON_CLIENTS, type Spoken, startPythonClient } from '../infra/mqtt-clients/python.ts'
import { testFleet } from './fleet.fixture.ts'
import { listenMqtt } from './mqtt-endpoint.ts'
import type { MqttSession } from './mqtt-session.ts'

const WAIT = { timeout: 30_000 }
const fleet = await testFleet()
const hub = await fleet.hub('demo-01')
const folder = mkdtempSync(join(tmpdir(), 'hearth-clients-'))
const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
for (const name of ['ca', 'cert', 'key'] as const) writeFileSync(files[name], hub[name])

const heard: string[] = []
const ends: string[] = []
const subscribed: MqttSession[] = []
const endpoint = await listenMqtt({
  host: '127.0.0.1',
  port: 0,
  tls: await fleet.server(),
  clock: machineClock,
  fleet: 'test',
  authorise: () => ({ ok: true }),
  publishTopics: ({ source }) => [`h/${source}/result`],
  subscribeTopics: ({ source }) => [`h/${source}/command`],
  handler: {
    subscribed(session, topic) {
      subscribed.push(session)
      session.publish(topic, Buffer.from('on'))
    },
    message: (_session, { payload, qos }) => {
      heard.push(`${payload.toString()} ${qos}`)
      return undefined
    },
    closed: (_session, { kind }) => ends.push(kind),
  },
})
afterAll(async () => {
  await endpoint.close()
  fleet.close()
  rmSync(folder, { recursive: true })
})
afterEach(() => {
  for (const list of [heard, ends, subscribed]) list.length = 0
})

const where = { host: 'localhost', port: endpoint.port, hub: 'demo-01', ...files, keepalive: 2 }

function stopped({ process }: Spoken): Spoken['process'] {
  onTestFinished(() => void process.kill('SIGKILL'))
  return process
}

/** Waits until the session has lived for two keep-alives, which it does only by its own pings. */
const untilPinged = () =>
  expect.poll(() => subscribed[0]?.open && machineClock.monotonic() - subscribed[0].opened_ms > 4_500, WAIT).toBe(true)

describe.each(PYTHON_CLIENTS)('%s', (client) => {
  test.each([5, 4] as const)(
    'of MQTT version %i hears, answers, is refused, stays, and is taken over',
    async (version) => {
      const older = await startPythonClient({ client, version, ...where, epoch: '1.1.1' })
      stopped(older)
      await expect
        .poll(() => [...heard].sort(), { ...WAIT, message: older.lines.join('\n') })
        .toEqual(['on by qos 0 0', 'on by qos 1 1'])
      expect(older.lines).toContain('connected 0')
      await expect.poll(() => older.lines, WAIT).toContain(version === 5 ? 'granted 0 135' : 'granted 0 128')
      await expect.poll(() => older.lines, WAIT).toContain('heard on 0')
      if (client === 'paho') await expect.poll(() => older.lines, WAIT).toContain('acknowledged 0')
      if (client === 'paho' && version === 5) await expect.poll(() => older.lines, WAIT).toContain('refused 135')
      await untilPinged()
      const newer = await startPythonClient({ client, version, ...where, epoch: '1.1.2' })
      stopped(newer)
      await expect.poll(() => ends, WAIT).toContain('taken-over')
      await expect.poll(() => older.lines.find((line) => line.startsWith('ended')), WAIT).toBeDefined()
      if (version === 5 && client !== 'gmqtt')
        expect(older.lines.find((line) => line.startsWith('ended'))).toBe('ended 142')
      expect(endpoint.session('demo-01')?.epoch).toBe('1.1.2')
      // What the newer one says must not be taken for the next test's.
      await expect.poll(() => heard, WAIT).toHaveLength(4)
    },
  )
})

test.each([5, 4] as const)(
  'mqtt.js of version %i hears, answers, is refused, stays, and is taken over',
  async (protocolVersion) => {
    const options = {
      ...hub,
      host: '127.0.0.1',
      port: endpoint.port,
      protocol: 'mqtts',
      clientId: 'demo-01',
      protocolVersion,
      keepalive: 2,
      reconnectPeriod: 0,
    } as const
    const older = mqttConnect({ ...options, username: '1.1.1' })
    const codes: unknown[] = []
    let closed = false
    older.on('error', () => undefined)
    older.on('disconnect', ({ reasonCode }) => codes.push(reasonCode))
    older.on('close', () => (closed = true))
    older.on('message', (_topic, payload) => {
      older.publish('h/demo-01/result', `${payload.toString()} by qos 0`, { qos: 0 })
      older.publish('h/demo-01/result', `${payload.toString()} by qos 1`, { qos: 1 })
    })
    await older.subscribeAsync('h/demo-01/command', { qos: 1 })
    await expect(older.subscribeAsync('h/another/command')).rejects.toThrow()
    await expect.poll(() => [...heard].sort(), WAIT).toEqual(['on by qos 0 0', 'on by qos 1 1'])
    if (protocolVersion === 5) {
      await expect(older.publishAsync('h/another/result', 'x', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
    }
    await untilPinged()
    const newer = mqttConnect({ ...options, username: '1.1.2' })
    onTestFinished(() => void newer.end(true))
    await expect.poll(() => ends, WAIT).toContain('taken-over')
    await expect.poll(() => closed, WAIT).toBe(true)
    expect(codes).toEqual(protocolVersion === 5 ? [0x8e] : [])
  },
)

test.each(['5', '311'])(
  'mosquitto_sub and mosquitto_pub of version %s hear, answer, are refused, and take over',
  async (version) => {
    const programs = await mosquittoClients()
    if (!programs) throw new Error('mosquitto_sub is not there, nor could it be installed')
    const common = (epoch: string) => [
      ...[
        '-h',
        'localhost',
        '-p',
        String(endpoint.port),
        '--cafile',
        files.ca,
        '--cert',
        files.cert,
        '--key',
        files.key,
      ],
      ...[
        '--tls-version',
        'tlsv1.3',
        '--tls-alpn',
        'mqtt',
        '-V',
        version,
        '-i',
        'demo-01',
        '-u',
        epoch,
        '-k',
        '5',
        '-q',
        '1',
      ],
    ]
    const exit = (spoken: Spoken) =>
      new Promise<number | null>((resolve) => stopped(spoken).once('close', (code) => resolve(code)))
    const sub = linesOf(spawn(programs.sub, [...common('1.1.1'), '-t', 'h/demo-01/command']))
    stopped(sub)
    await expect.poll(() => sub.lines, WAIT).toContain('on')
    const refused = linesOf(spawn(programs.sub, [...common('1.1.2'), '-t', 'h/another/command', '-E']))
    await exit(refused)
    expect(refused.lines.join('\n')).toMatch(/denied|rejected/i)
    await expect.poll(() => ends, WAIT).toContain('taken-over')
    expect(await exit(linesOf(spawn(programs.pub, [...common('1.1.3'), '-t', 'h/demo-01/result', '-m', 'done'])))).toBe(
      0,
    )
    expect(heard).toEqual(['done 1'])
    const wrong = linesOf(spawn(programs.pub, [...common('1.1.4'), '-t', 'h/another/result', '-m', 'done']))
    await exit(wrong)
    expect(heard).toEqual(['done 1'])
  },
)
