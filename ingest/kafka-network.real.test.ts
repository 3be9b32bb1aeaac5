import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { sleep } from '../contract/clock.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { startTcpProxy, type TcpProxy } from '../infra/tcp-proxy.ts'
import { logRecord } from './event-log.conformance.ts'
import { openKafkaLog } from './kafka-log.ts'
import { account, startLoad } from './testing/kafka-load.ts'

/** Past the request timeout. */
const SWALLOW_MS = 8_000

let proxy: TcpProxy
let kafka: Kafka
beforeAll(async () => {
  kafka = await startKafka({
    brokers: 1,
    async advertise(port) {
      proxy = await startTcpProxy({ port })
      return proxy.port
    },
  })
})
afterAll(async () => {
  await kafka[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

const open = (topic: string) =>
  openKafkaLog({
    ...{ brokers: kafka.bootstrap.split(','), topic, lake_id: 'lake-a', clock: machineClock },
    ...{ buckets: 4, replication: 1, min_insync: 1, make: true },
  })

test('connections that are cut while answers are on their way lose nothing, and double nothing', async () => {
  const log = await open('cut')
  proxy.delay_ms = 3
  const load = startLoad(log, 16)
  for (let cut = 0; cut < 25; cut++) {
    await load.more(20 + cut)
    proxy.cut()
  }
  await load.more(50)
  await load.stop()
  proxy.delay_ms = 0
  expect(load.unsure.size).toBe(0)
  expect(await account(log, load)).toMatchObject({ lost: [], doubled: [], gaps: 0 })
  await log.close()
})

test('a route that swallows everything past the request timeout loses nothing, and doubles nothing', async () => {
  const log = await open('swallow')
  const load = startLoad(log, 16)
  await load.more(200)
  proxy.swallow = true
  await sleep(machineClock, SWALLOW_MS)
  proxy.swallow = false
  await load.more(200)
  await load.stop()
  expect(await account(log, load)).toMatchObject({ lost: [], doubled: [], gaps: 0 })
  await log.close()
})

test('a wait survives the end of its connection', async () => {
  const log = await open('wait')
  const waiting = log.waitFor(2, 1, new AbortController().signal)
  await log.append(1, logRecord('a'))
  proxy.cut()
  await log.append(2, logRecord('b'))
  await waiting
  expect((await log.read(2, 1, 1e6)).length).toBe(1)
  await log.close()
})
