/**
 * Many hubs in one process, as lean as can be: mutual TLS 1.3 with tickets, MQTT 5 by hand, keep-alive, answers to
 * commands at once, and the agent's own back-off when a connection ends. Goes on until it is ended.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import tls from 'node:tls'
import { generate } from 'mqtt-packet'
import { hubBound, type RelayBound, topics } from '../contract/command.ts'
import { formatEpoch } from '../contract/source.ts'
import { inParallel } from '../lake/in-parallel.ts'
import { backOff_ms, failuresAfter } from '../link/back-off.ts'
import { PATIENCE_MS } from '../link/limits.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { packetFramer } from '../link/mqtt-framing.ts'
import { publishPacket, topicBytes } from '../link/mqtt-hot.ts'
import { certificates, type ManyHubsSaid, manyHubsTask } from './many-hubs.ts'

/** At the start; afterwards each hub comes when its back-off lets it. */
const CONNECTING = 32
const TELL_MS = 50
/** nice(2): a tenth of a core beside one that is busy. */
const BEHIND = 10
const V5 = { protocolVersion: 5 }
const PING = Buffer.from([0xc0, 0])
const PACKET = { connack: 2, publish: 3, suback: 9, disconnect: 14 }

const task = manyHubsTask.parse(JSON.parse(process.argv[2] ?? ''))
if (task.behind) os.setPriority(BEHIND)
const hubs = Object.entries(certificates.parse(JSON.parse(readFileSync(task.hubs_file, 'utf8'))))
let connected = 0
let told = -1
let started = false
setInterval(() => {
  if (connected === told) return
  told = connected
  say({ connected })
}, TELL_MS)

await inParallel(hubs.length, CONNECTING, async (index) => {
  const [hub, clientTls] = hubs[index] ?? []
  if (hub !== undefined && clientTls) await new Promise<void>((resolve) => keepConnected(hub, clientTls, resolve))
})
started = true

function say(what: ManyHubsSaid): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

/** Connects, and again for ever; `first` is called once it has been a session. */
function keepConnected(hub: string, clientTls: ClientTls, first: () => void): void {
  const result = topicBytes(topics.result(hub))
  // Once: made for each connection it would cost more than the handshake, of which a real hub bears its own part alone.
  const secureContext = tls.createSecureContext({ ...clientTls, minVersion: 'TLSv1.3' })
  let ticket: Buffer | undefined
  let connect = 0
  let failures = 0

  function attempt() {
    const socket = net.connect({ host: '127.0.0.1', port: task.port, noDelay: true })
    // The agent's patience.
    const giveUp = setTimeout(() => secure.destroy(), PATIENCE_MS)
    const session = { socket, secureContext, servername: '', host: '127.0.0.1', ALPNProtocols: ['mqtt'] }
    const secure = tls.connect({ ...session, ...(ticket && { session: ticket }) })
    const frame = packetFramer(() => 65_536)
    let since_ms: number | undefined
    let ping: NodeJS.Timeout | undefined
    const opened = () => {
      if (since_ms !== undefined) return
      clearTimeout(giveUp)
      since_ms = performance.now()
      connected++
      if (started) say({ back: hub })
      first()
      ping = setInterval(() => secure.write(PING), task.keep_alive_s * 1_000)
    }
    secure.on('session', (bytes) => (ticket = bytes))
    secure.on('secureConnect', () => secure.write(hello()))
    secure.on('data', (chunk: Buffer) => {
      for (const packet of frame(chunk).packets) {
        const type = (packet[0] ?? 0) >> 4
        if (type === PACKET.connack && packet[3] !== 0) secure.destroy()
        else if (type === PACKET.suback || (type === PACKET.connack && task.hears === 'nothing')) opened()
        else if (type === PACKET.publish) hear(packet, secure)
        else if (type === PACKET.disconnect) secure.destroy()
      }
    })
    secure.on('error', () => secure.destroy())
    socket.on('error', () => secure.destroy())
    secure.on('close', () => {
      clearInterval(ping)
      clearTimeout(giveUp)
      if (since_ms !== undefined) connected--
      failures = failuresAfter(failures, since_ms === undefined ? 0 : performance.now() - since_ms)
      setTimeout(attempt, backOff_ms(failures, Math.random()))
    })
  }

  /** CONNECT and SUBSCRIBE at once: a client need not wait for CONNACK (MQTT 5.0 section 3.1.4). */
  function hello(): Buffer {
    const username = formatEpoch({ generation: 1, counter: 1, connect: ++connect })
    const about = { clientId: hub, username, clean: true, keepalive: task.keep_alive_s }
    const packets = [generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, ...about }, V5)]
    const subscriptions = [{ topic: topics.command(hub), qos: 1 as const }]
    if (task.hears === 'command') packets.push(generate({ cmd: 'subscribe', messageId: 1, subscriptions }, V5))
    return Buffer.concat(packets)
  }

  function hear(packet: Buffer, secure: tls.TLSSocket) {
    const said = hubBound.parse(JSON.parse(packet.subarray(packet.indexOf(0x7b)).toString()))
    if (said.type !== 'command') return
    const { command, issued } = said
    const answers = (['received', 'executed'] as const).map((stage) => {
      const bound: RelayBound = { hearth: 1, type: 'result', command, stage, ms: 0.1, issued }
      return publishPacket(result, Buffer.from(JSON.stringify(bound)), 5)
    })
    secure.write(Buffer.concat(answers))
  }

  attempt()
}
