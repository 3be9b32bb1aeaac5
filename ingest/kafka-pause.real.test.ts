import { Kafka as KafkaJs, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { sleep } from '../contract/clock.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { openKafkaLog } from './kafka-log.ts'
import { account, type Load, startLoad } from './testing/kafka-load.ts'

/** Longer than the request timeout, so that what was sent is sent again, and both arrive when the broker goes on. */
const PAUSE_MS = 14_000

let kafka: Kafka
beforeAll(async () => {
  kafka = await startKafka({ brokers: 1 })
})
afterAll(() => kafka[Symbol.asyncDispose]())

const open = (topic: string) =>
  openKafkaLog({
    ...{ brokers: kafka.bootstrap.split(','), topic, lake_id: 'lake-a', clock: machineClock },
    ...{ buckets: 2, replication: 1, min_insync: 1, make: true },
  })

async function pauseDuring(load: Load): Promise<void> {
  const [broker] = kafka.brokers
  await load.more(500)
  broker?.pause()
  await sleep(machineClock, PAUSE_MS)
  broker?.resume()
  await load.more(500)
  await load.stop()
}

test('a broker that stops past the request timeout loses nothing that was acknowledged, and doubles none of it', async () => {
  const log = await open('ours')
  const load = startLoad(log, 32)
  await pauseDuring(load)
  const { lost, doubled, gaps, records } = await account(log, load)
  process.stdout.write(`acknowledged ${load.acks.length}, found ${records}, may have failed ${load.unsure.size}\n`)
  expect({ lost, doubled, gaps }).toEqual({ lost: [], doubled: [], gaps: 0 })
  await log.close()
})

/** Asserts nothing: it shows why this client was not taken (docs/decisions/032). */
test('what kafkajs makes of the same', async () => {
  const log = await open('theirs')
  const client = new KafkaJs({
    ...{ clientId: 'theirs', brokers: kafka.bootstrap.split(','), logLevel: logLevel.NOTHING },
    ...{ requestTimeout: 5_000, retry: { retries: 100, maxRetryTime: 1_000 } },
  })
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 5 })
  await producer.connect()
  const load = startLoad(
    {
      buckets: 2,
      async append(partition, { value }) {
        const headers = { hearth: HEADERS }
        const [sent] = await producer.send({
          ...{ topic: 'theirs', acks: -1, messages: [{ partition, value: Buffer.from(value), headers }] },
        })
        return Number(sent?.baseOffset) + 1
      },
    },
    32,
  )
  await pauseDuring(load)
  await producer.disconnect()
  const { lost, doubled, records } = await account(log, load)
  process.stdout.write(
    `kafkajs: acknowledged ${load.acks.length}, found ${records}, lost ${lost.length}, doubled ${doubled.length}\n`,
  )
  await log.close()
})

const HEADERS = JSON.stringify({
  ...{ version: 1, source: 'demo-01', role: 'hub', generation: 1, received_ms: 1, listener: 'mqtt', codec: 'plain' },
})
