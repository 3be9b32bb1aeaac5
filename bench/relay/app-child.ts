/** An app that sends commands: over WebSockets or HTTP to a relay, or over MQTT or NATS through a broker. Prints what each took. */
import { connect } from '@nats-io/transport-node'
import { z } from 'zod'
import { type HubBound, relayBound, topics } from '../../contract/command.ts'
import { percentile } from '../figure.ts'
import { httpApp } from '../http-app.ts'
import { connectClient } from '../mqtt-client.ts'
import { pause } from '../server.ts'
import { socketApp } from '../socket-app.ts'
import { type AppDone, type AppTask, appTask, type Load, type Tapped } from './parts.ts'

/** Not measured: until connections are open. */
const WARM_UP = 50
/** As many as a server of apps may have open to a relay. */
const CONNECTIONS = 64
const ANSWER_MS = 5_000

/** A rate is not held when more than this share of its commands was not done. */
const FAILED_MOST = 0.001

/** What a relay tells of a command, and of it what counts here. */
const report = z.object({
  outcome: z.string(),
  stages: z.array(z.object({ stage: z.string(), by: z.string(), ms: z.number() })),
})

const task = appTask.parse(JSON.parse(process.argv[2] ?? ''))
const tap = await tapperOf(task.to)

for (let i = 0; i < WARM_UP; i++) await tap(hubAt(i), performance.now())
const done = await under(task.load)
// Ends when all of it is written: a pipe takes it piece by piece.
process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0))

async function under(load: Load): Promise<AppDone> {
  if ('one_by_one' in load) {
    const all: Tapped[] = []
    for (let i = 0; i < load.one_by_one; i++) all.push(await tap(hubAt(i), performance.now()))
    return { tapped: all }
  }
  if ('per_second' in load) return { tapped: await paced(load.per_second, load.seconds) }
  // The app's own code is compiled by then: of three seconds its slow first one would be more than a hundredth.
  await paced(load.rates[0] ?? 0, 1)
  let held_per_second = 0
  for (const rate of load.rates) {
    const all = await paced(rate, load.seconds)
    const times = all.map(({ ms }) => ms)
    const failed = all.filter((one) => !one.done).length
    if (percentile(times, 0.99) > load.p99_most_ms || failed > all.length * FAILED_MOST) break
    held_per_second = rate
  }
  return { tapped: [], held_per_second }
}

/** Each is timed from when it was to be sent: what waits because the app is late counts as well. */
async function paced(per_second: number, seconds: number): Promise<Tapped[]> {
  const all: Promise<Tapped>[] = []
  const begun_ms = performance.now()
  for (let i = 0; i < per_second * seconds; i++) {
    const due_ms = begun_ms + (i * 1000) / per_second
    const wait_ms = due_ms - performance.now()
    if (wait_ms > 0) await pause(wait_ms)
    // Timers may be up to a millisecond early.
    all.push(tap(hubAt(i), Math.min(due_ms, performance.now())))
  }
  return await Promise.all(all)
}

function tapperOf(to: AppTask['to']): Promise<Tap> | Tap {
  if (!('port' in to)) return (to.kind === 'relay' ? throughSockets : throughHttp)(to.url, to.tokens)
  return to.kind === 'mqtt' ? throughBroker(to) : throughNats(to)
}

function hubAt(i: number): string {
  return task.hubs[i % task.hubs.length] ?? ''
}

/** Sends a command that was due at a time of `performance.now()`. */
type Tap = (hub: string, due_ms: number) => Promise<Tapped>

function tappedOf(ms: number, said: unknown): Tapped {
  const { outcome, stages } = report.parse(said)
  const sent_ms = stages.find(({ stage, by }) => stage === 'sent' && by === 'relay')?.ms
  return { ms, done: outcome === 'done', ...(sent_ms === undefined ? {} : { sent_ms }) }
}

/** A connection an app, as servers of apps have. */
async function throughSockets(url: string, tokens: readonly string[]): Promise<Tap> {
  const send = await socketApp(url, tokens)
  return async (hub, start_ms) => {
    const said = await send(hub)
    const ms = performance.now() - start_ms
    // Too many at once: past what it bears, it says so.
    return said === undefined ? { ms, done: false } : tappedOf(ms, said)
  }
}

function throughHttp(url: string, tokens: readonly string[]): Tap {
  const send = httpApp(url, tokens, CONNECTIONS)
  return async (hub, start_ms) => {
    const { status, text } = await send(hub)
    const ms = performance.now() - start_ms
    // Too many at once: past what it bears, it says so.
    if (status === 429) return { ms, done: false }
    if (status !== 200) throw new Error(`${status}: ${text}`)
    return tappedOf(ms, JSON.parse(text))
  }
}

type Broker = Extract<AppTask['to'], { readonly port: number }>

async function throughBroker({ port, tls }: Broker): Promise<Tap> {
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
  return (hub, start_ms) =>
    new Promise((resolve, reject) => {
      const { command, payload } = commandOf(number++)
      waiting.set(command, (stage) => {
        waiting.delete(command)
        resolve({ ms: performance.now() - start_ms, done: stage === 'executed' })
      })
      client.publish(topics.command(hub), payload).catch(reject)
    })
}

async function throughNats({ port, tls }: Broker): Promise<Tap> {
  const client = await connect({ servers: `localhost:${port}`, tls })
  let number = 0
  return async (hub, start_ms) => {
    const { payload } = commandOf(number++)
    const answer = await client.request(`h.${hub}.command`, payload, { timeout: ANSWER_MS })
    const said = relayBound.parse(answer.json())
    return { ms: performance.now() - start_ms, done: said.type === 'result' && said.stage === 'executed' }
  }
}

/** What the relay would send, as the app sends it by itself where there is none. */
function commandOf(number: number) {
  const command = String(number).padStart(32, '0')
  const bound: HubBound = {
    ...{ hearth: 1, type: 'command', command, hash: '0123456789abcdef', device: 'lamp', set: { powered: true } },
    ...{ issued: Date.now(), stamp: performance.now(), left_ms: ANSWER_MS, epoch: '1.1.1' },
  }
  return { command, payload: Buffer.from(JSON.stringify(bound)) }
}
