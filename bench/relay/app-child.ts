/** An app that sends commands: over HTTP to a relay, or over MQTT through a broker. Prints what each took. */
import { Agent, request } from 'node:http'
import { z } from 'zod'
import { type HubBound, relayBound, topics } from '../../contract/command.ts'
import { connectClient } from '../mqtt-client.ts'
import { pause } from '../server.ts'
import { type AppDone, appTask, type Tapped } from './parts.ts'

/** Not measured: until code is compiled and connections are open. */
const WARM_UP = 50
/** As many as a server of apps may have open to a relay. */
const CONNECTIONS = 32

const task = appTask.parse(JSON.parse(process.argv[2] ?? ''))
const tap = 'url' in task.to ? throughRelay(task.to) : await throughBroker(task.to)

for (let i = 0; i < WARM_UP; i++) await tap(hubAt(i))
const one_by_one: Tapped[] = []
for (let i = 0; i < task.one_by_one; i++) one_by_one.push(await tap(hubAt(i)))
const paced: Promise<Tapped>[] = []
const begun_ms = performance.now()
for (let i = 0; i < task.per_second * task.seconds; i++) {
  const wait_ms = begun_ms + (i * 1000) / task.per_second - performance.now()
  if (wait_ms > 0) await pause(wait_ms)
  paced.push(tap(hubAt(i)))
}
const done: AppDone = { one_by_one, paced: await Promise.all(paced) }
// Ends when all of it is written: a pipe takes it piece by piece.
process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0))

function hubAt(i: number): string {
  return task.hubs[i % task.hubs.length] ?? ''
}

function throughRelay({ url, token }: { readonly url: string; readonly token: string }) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const body = JSON.stringify({ device: 'lamp', set: { powered: true } })
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': body.length,
  }
  const report = z.object({
    outcome: z.string(),
    stages: z.array(z.object({ stage: z.string(), by: z.string(), ms: z.number() })),
  })
  return (hub: string): Promise<Tapped> =>
    new Promise((resolve, reject) => {
      const start_ms = performance.now()
      const asked = request(`${url}/v1/hubs/${hub}/commands`, { method: 'POST', agent, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('end', () => {
          const ms = performance.now() - start_ms
          if (response.statusCode !== 200) {
            reject(new Error(`${response.statusCode}: ${text}`))
            return
          }
          const { outcome, stages } = report.parse(JSON.parse(text))
          const sent_ms = stages.find(({ stage, by }) => stage === 'sent' && by === 'relay')?.ms
          resolve({ ms, done: outcome === 'done', ...(sent_ms === undefined ? {} : { sent_ms }) })
        })
      })
      asked.on('error', reject)
      asked.end(body)
    })
}

async function throughBroker({ port, tls }: Extract<typeof task.to, { readonly port: number }>) {
  const waiting = new Map<string, (stage: string) => void>()
  let number = 0
  const client = await connectClient({
    ...{ port, tls, client: 'bench-app' },
    message(_topic, payload) {
      const said = relayBound.parse(JSON.parse(payload.toString()))
      if (said.type === 'result') waiting.get(said.command)?.(said.stage)
    },
  })
  await client.subscribe(topics.result('+'))
  return (hub: string): Promise<Tapped> =>
    new Promise((resolve, reject) => {
      const start_ms = performance.now()
      const command = String(number++).padStart(32, '0')
      const bound: HubBound = {
        ...{ hearth: 1, type: 'command', command, hash: '0123456789abcdef', device: 'lamp', set: { powered: true } },
        ...{ issued: Date.now(), stamp: start_ms, left_ms: 5_000, epoch: '1.1.1' },
      }
      waiting.set(command, (stage) => {
        waiting.delete(command)
        resolve({ ms: performance.now() - start_ms, done: stage === 'executed' })
      })
      client.publish(topics.command(hub), Buffer.from(JSON.stringify(bound))).catch(reject)
    })
}
