/** Hubs that answer at once: no journal, no device. Prints `ready` when all are subscribed; goes on until it is ended. */
import { readFileSync } from 'node:fs'
import { connect } from '@nats-io/transport-node'
import { hubBound, type RelayBound, topics } from '../../contract/command.ts'
import { formatEpoch } from '../../contract/source.ts'
import { inParallel } from '../../lake/in-parallel.ts'
import type { ClientTls } from '../../link/mqtt-connection.ts'
import { certificates } from '../many-hubs.ts'
import { connectClient, type MqttClient } from '../mqtt-client.ts'
import { hubsTask } from './parts.ts'

/** Handshakes at once. */
const CONNECTING = 8

const task = hubsTask.parse(JSON.parse(process.argv[2] ?? ''))
const hubs = Object.entries(certificates.parse(JSON.parse(readFileSync(task.hubs_file, 'utf8'))))
const serve = task.kind === 'nats' ? serveNats : serveMqtt
await inParallel(hubs.length, CONNECTING, async (index) => {
  const [hub, tls] = hubs[index] ?? []
  if (hub !== undefined && tls) await serve(hub, tls)
})
process.stdout.write('ready\n')

async function serveMqtt(hub: string, tls: ClientTls): Promise<void> {
  const username = formatEpoch({ generation: 1, counter: task.boot, connect: 1 })
  const client: MqttClient = await connectClient({
    ...{ port: task.port, tls, client: hub, username },
    message(_topic, payload) {
      const told = answersTo(payload)
      const last = told.pop()
      // As the agent does: only what ends a command is worth an answer.
      for (const one of told) client.send(topics.result(hub), one)
      if (last) client.publish(topics.result(hub), last).catch(lost)
    },
  })
  await client.subscribe(topics.command(hub))
}

async function serveNats(hub: string, tls: ClientTls): Promise<void> {
  const client = await connect({ servers: `localhost:${task.port}`, tls })
  client.subscribe(`h.${hub}.command`, {
    callback(error, message) {
      if (error) lost(error)
      for (const one of answersTo(Buffer.from(message.data))) message.respond(one)
    },
  })
  await client.flush()
}

/** To Hearth a hub says `received` before `executed`, as the agent does; to a broker it gives one answer. */
function answersTo(payload: Buffer): Buffer[] {
  const said = hubBound.parse(JSON.parse(payload.toString()))
  if (said.type !== 'command') return []
  const { command, issued } = said
  const stages = task.kind === 'relay' ? (['received', 'executed'] as const) : (['executed'] as const)
  return stages.map((stage) => {
    const result: RelayBound = { hearth: 1, type: 'result', command, stage, ms: 0.1, issued }
    return Buffer.from(JSON.stringify(result))
  })
}

function lost(error: unknown): void {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}
