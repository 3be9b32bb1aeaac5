/** The load generator in a process of its own: makes the batches, connects, waits for a line, sends as fast as it goes. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { topics } from '../../contract/command.ts'
import { formatEpoch } from '../../contract/source.ts'
import { timed } from '../child.ts'
import { connectClient, type MqttClient } from '../mqtt-client.ts'
import { batches, type WorkloadBatch, workloadOf } from '../workload.ts'
import { certificates, type LoadDone, loadTask } from './load.ts'

const CONNECTING_MAX = 32

const task = loadTask.parse(JSON.parse(process.argv[2] ?? ''))
const workload = workloadOf(task.workload)
const known = new Map(Object.entries(certificates.parse(JSON.parse(readFileSync(task.certificates, 'utf8')))))

const byHub = new Map<string, WorkloadBatch[]>()
for (const batch of batches(workload, { seed: task.seed, wall_ms: Date.now() }).take(task.batches)) {
  const list = byHub.get(batch.hub) ?? []
  byHub.set(batch.hub, list)
  list.push(batch)
}

const clients = new Map<string, MqttClient>()
const hubs = [...byHub.keys()]
await Promise.all(
  Array.from({ length: CONNECTING_MAX }, async () => {
    for (let hub = hubs.pop(); hub !== undefined; hub = hubs.pop()) {
      const tls = known.get(hub)
      if (!tls) throw new Error(`no certificate for ${hub}`)
      const username = formatEpoch({ generation: 1, counter: 1, connect: 1 })
      clients.set(hub, await connectClient({ port: task.port, tls, client: hub, username }))
    }
  }),
)
process.stdout.write('ready\n')
await once(process.stdin, 'data')

const latencies_ms: number[] = []
let refused = 0
const measured = await timed(async () => {
  await Promise.all([...clients].map(([hub, client]) => sendAll(hub, client, byHub.get(hub) ?? [])))
})
process.stdout.write(`${JSON.stringify({ ...measured, latencies_ms, refused } satisfies LoadDone)}\n`)
await Promise.all([...clients.values()].map((client) => client.close()))
process.stdin.destroy()

/** In order, so many at once. */
async function sendAll(hub: string, client: MqttClient, mine: readonly WorkloadBatch[]): Promise<void> {
  const topic = topics.telemetry(hub)
  let next = 0
  await Promise.all(
    Array.from({ length: task.window }, async () => {
      for (let batch = mine[next++]; batch; batch = mine[next++]) {
        const start_ms = performance.now()
        if ((await client.publish(topic, batch.bytes)) !== 0) refused++
        latencies_ms.push(performance.now() - start_ms)
      }
    }),
  )
}
