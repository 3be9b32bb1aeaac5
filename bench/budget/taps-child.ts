/** People who tap, each lamp in its turn and independently of each other. Prints what became of each tap. */
import { z } from 'zod'
import { seededRandom } from '../../contract/clock.ts'
import { exponential } from '../../hub-agent/chance.ts'
import { httpApp } from '../http-app.ts'
import { pause } from '../server.ts'
import { socketApp } from '../socket-app.ts'
import { machineMonotonic_ms, type Tap, tapsTask } from './parts.ts'

/** Not counted: until code is compiled and connections are open. */
const WARM_UP_A_HUB = 4

const report = z.object({ outcome: z.string() })

const task = tapsTask.parse(JSON.parse(process.argv[2] ?? ''))
const send = await sender()
const random = seededRandom(task.seed)
const warmUp = WARM_UP_A_HUB * task.hubs.length
const under: Promise<Tap>[] = []
for (let i = 0; i < warmUp + task.taps; i++) {
  await pause(exponential(random, 1_000 / task.per_second))
  under.push(tap(task.hubs[i % task.hubs.length] ?? '', i))
}
const all = await Promise.all(under)
// Ends when all of it is written: a pipe takes it piece by piece.
process.stdout.write(`${JSON.stringify(all.slice(warmUp))}\n`, () => process.exit(0))

async function tap(hub: string, level: number): Promise<Tap> {
  const at_ms = machineMonotonic_ms()
  const outcome = await send(hub, level)
  return { level, at_ms, answered_ms: machineMonotonic_ms(), done: outcome === 'done' }
}

/** Resolves with the outcome, or with why there is none. */
async function sender(): Promise<(hub: string, level: number) => Promise<string>> {
  if (task.way === 'WebSocket') {
    const app = await socketApp(task.url, task.tokens)
    return async (hub, brightness) => report.safeParse(await app(hub, { brightness })).data?.outcome ?? 'refused'
  }
  const app = httpApp(task.url, task.tokens, task.hubs.length)
  return async (hub, brightness) => {
    const { status, text } = await app(hub, { brightness })
    return status === 200 ? report.parse(JSON.parse(text)).outcome : `${status}: ${text}`
  }
}
