import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { sleep } from '../contract/clock.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { logRecord } from './event-log.conformance.ts'
import { openKafkaLog } from './kafka-log.ts'
import { account, startLoad } from './testing/kafka-load.ts'

const PAUSE_MS = 14_000

describe('three brokers', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 })
  })
  afterAll(() => kafka[Symbol.asyncDispose]())
  const open = (topic: string) =>
    openKafkaLog({
      ...{ brokers: kafka.bootstrap.split(','), topic, clock: machineClock },
      ...{ buckets: 4, replication: 3, min_insync: 2, make: true },
    })
  const leaderOf = async (topic: string) => {
    const leader = kafka.brokers[await kafka.admin.leader(topic, 0)]
    if (!leader) throw new Error('the partition has a leader')
    return leader
  }

  test('kill -9 of a leader loses nothing that was acknowledged, and doubles none of it', async () => {
    const log = await open('kill')
    const load = startLoad(log, 16)
    await load.more(500)
    const leader = await leaderOf('kill')
    await leader.kill()
    await load.more(500)
    await leader.restart()
    await load.more(500)
    await load.stop()
    expect(await account(log, load)).toMatchObject({ lost: [], doubled: [], gaps: 0 })
    await log.close()
  })

  test('a leader that stops past the request timeout loses nothing that was acknowledged, and doubles none of it', async () => {
    const log = await open('stop')
    const load = startLoad(log, 16)
    await load.more(500)
    const leader = await leaderOf('stop')
    leader.pause()
    await sleep(machineClock, PAUSE_MS)
    leader.resume()
    await load.more(500)
    await load.stop()
    expect(await account(log, load)).toMatchObject({ lost: [], doubled: [], gaps: 0 })
    await log.close()
  })

  test('with too few copies in sync nothing is acknowledged, and the append says that it failed', async () => {
    const log = await open('few')
    await log.append(0, logRecord('a'))
    const leader = await leaderOf('few')
    const others = kafka.brokers.filter((broker) => broker !== leader)
    await Promise.all(others.map((broker) => broker.kill()))
    await expect(log.append(0, logRecord('a'))).rejects.toThrow(/append to bucket 0 of topic few/)
    await Promise.all(others.map((broker) => broker.restart()))
    await log.append(0, logRecord('a'))
    await log.close()
  })
})
