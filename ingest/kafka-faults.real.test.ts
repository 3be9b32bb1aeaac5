import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { sleep } from '../contract/clock.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { logRecord } from './event-log.conformance.ts'
import { openKafkaCluster } from './kafka-cluster.ts'
import { kafkaGroup } from './kafka-group.ts'
import { openKafkaLog } from './kafka-log.ts'
import { openKafkaShare } from './kafka-share.ts'
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
      ...{ brokers: kafka.bootstrap.split(','), topic, lake_id: 'lake-a', clock: machineClock },
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

  test('writers keep their buckets while the coordinator of their group is dead, and share with others after it', async () => {
    await (await open('shared')).close()
    const brokers = kafka.bootstrap.split(',')
    const options = { brokers, topic: 'shared', group: 'writers', buckets: 4, clock: machineClock }
    const shares = [await openKafkaShare(options), await openKafkaShare(options)]
    const settled = (sizes: readonly number[]) =>
      expect.poll(() => shares.map((share) => share.buckets().length), { timeout: 60_000 }).toEqual(sizes)
    await settled([2, 2])
    const changes: string[] = []
    for (const share of shares) share.watch(() => changes.push(String(share.buckets())))
    const cluster = await openKafkaCluster(options)
    const coordinator = () => kafkaGroup({ ...options, cluster, session_ms: 10_000 }).coordinator()
    const first = await coordinator()
    await kafka.brokers[first - 1]?.kill()
    const another = () => coordinator().catch(() => first)
    await expect.poll(another, { timeout: 60_000 }).not.toBe(first)
    expect(changes).toEqual([])
    shares.push(await openKafkaShare(options))
    const sizes = () => shares.map((share) => share.buckets().length).toSorted((a, b) => a - b)
    await expect.poll(sizes, { timeout: 60_000 }).toEqual([1, 1, 2])
    expect(new Set(shares.flatMap((share) => share.buckets())).size).toBe(4)
    for (const share of shares) await share.close()
    await cluster.close()
    await kafka.brokers[first - 1]?.restart()
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
