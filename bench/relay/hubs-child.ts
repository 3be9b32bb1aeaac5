/** Hubs that answer at once: no journal, no device. Prints `ready` when all are subscribed; goes on until it is ended. */
import { hubBound, type RelayBound, topics } from '../../contract/command.ts'
import { formatEpoch } from '../../contract/source.ts'
import { connectClient, type MqttClient } from '../mqtt-client.ts'
import { hubsTask } from './parts.ts'

const task = hubsTask.parse(JSON.parse(process.argv[2] ?? ''))
for (const [hub, tls] of Object.entries(task.hubs)) {
  const username = formatEpoch({ generation: 1, counter: 1, connect: 1 })
  const client: MqttClient = await connectClient({
    ...{ port: task.port, tls, client: hub, username },
    message: (_topic, payload) => answer(hub, client, payload),
  })
  await client.subscribe(topics.command(hub))
}
process.stdout.write('ready\n')

function answer(hub: string, client: MqttClient, payload: Buffer): void {
  const said = hubBound.parse(JSON.parse(payload.toString()))
  if (said.type !== 'command') return
  const tell = (stage: 'received' | 'executed') => {
    const { command, issued } = said
    const result: RelayBound = { hearth: 1, type: 'result', command, stage, ms: 0.1, issued }
    client.publish(topics.result(hub), Buffer.from(JSON.stringify(result))).catch(lost)
  }
  if (task.tells_received) tell('received')
  tell('executed')
}

function lost(error: unknown): void {
  process.stderr.write(`${String(error)}\n`)
  process.exit(1)
}
