import type { KafkaRecord } from '@platformatic/kafka'
import { type Clock, sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { EventLog, LogBounds } from './event-log.ts'
import { kafkaAppender } from './kafka-appender.ts'
import {
  closedProblem,
  type KafkaCluster,
  type KafkaConnection,
  type KafkaTopic,
  openKafkaCluster,
} from './kafka-cluster.ts'
import { type KafkaFetch, kafkaFetch } from './kafka-fetch.ts'
import { kafkaReader } from './kafka-reader.ts'
import { GROUP_FRAME_BYTES, OTHER_TOPIC, otherLake, storedRecords } from './kafka-record.ts'
import { type CheckedTopic, checkTopic, logId, openTopic, type TopicDemands } from './kafka-topic.ts'
import { kafkaTrims } from './kafka-trims.ts'
import { kafkaWaits } from './kafka-waits.ts'
import { KAFKA_CLOSE_MAX_MS, KAFKA_READ_MAX_MS } from './limits.ts'

export type KafkaLogOptions = KafkaConnection &
  TopicDemands & {
    readonly topic: string
    /** Each record says it, and one that says another is not read. */
    readonly lake_id: string
    /** Has the lake read of the log with this id? Then it may be opened though another lake writes to it too. */
    hasRead?(log_id: string): Promise<boolean>
    readonly clock: Clock
  }

/**
 * The event log on Kafka: a topic with a partition for each bucket, a record for each batch, position = offset + 1. What
 * is appended is on `min_insync` brokers before it is acknowledged; what is read is on all that must have it. Raises `missing`
 * for a topic that is not there and must not be made, `invalid` for one that does not keep the promise or holds another lake (docs/kafka.md), `unauthorized`, and
 * `unavailable` when no broker answers within KAFKA_READ_MAX_MS.
 * A topic that was made anew under its name is another log: reads raise `conflict` until `identify` was called.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const { buckets, clock, lake_id } = options
  const cluster = await openKafkaCluster(options)
  let topic = await openOwnTopic(cluster, options).catch(async (error: unknown) => {
    await cluster.close()
    throw error
  })
  /** The topic that is read, and the newest that was looked at and may be appended to. */
  let fit = topic
  let closed = false

  async function accept(found: KafkaTopic): Promise<void> {
    if (found.id !== fit.id) fit = await checkTopic(cluster, found, options)
  }

  const fetch = kafkaFetch(cluster, () => topic.id)
  const reader = kafkaReader({ cluster, fetch, lake_id })
  const waits = kafkaWaits({ cluster, fetch, reader, clock })
  const trims = kafkaTrims({ cluster, clock, leaderOf: fetch.leaderOf })
  const groupMaxBytes = () => fit.max_message_bytes - GROUP_FRAME_BYTES
  const appender = kafkaAppender({ cluster, clock, buckets, lake_id, groupMaxBytes, accept })

  function check(bucket: number): void {
    if (closed) throw closedProblem(cluster.name)
    if (Number.isInteger(bucket) && bucket >= 0 && bucket < buckets) return
    throw new Problem('invalid', `there is no bucket ${bucket}: this log has the buckets 0 to ${buckets - 1}`)
  }

  return {
    get id() {
      return logId(topic)
    },
    buckets,
    async append(bucket, record) {
      check(bucket)
      return await appender.append(bucket, record)
    },
    async read(bucket, from, maxBytes) {
      check(bucket)
      return await reader.read(bucket, Math.max(from, trims.first(bucket)), maxBytes)
    },
    async trim(bucket, to) {
      check(bucket)
      trims.add(bucket, to)
    },
    async bounds(bucket): Promise<LogBounds> {
      check(bucket)
      const { first, next } = await fetch.bounds(bucket)
      // What was given up is deleted a little later.
      return { first: Math.min(next, Math.max(first, trims.first(bucket))), next }
    },
    async waitFor(bucket, from, signal) {
      check(bucket)
      await waits.waitFor(bucket, from, signal)
    },
    async identify() {
      if (closed) throw closedProblem(cluster.name)
      const found = await cluster.retry('identifying', KAFKA_READ_MAX_MS, () => cluster.topic(true))
      if (found?.id === topic.id) return
      topic = await openOwnTopic(cluster, options)
      fit = topic
      reader.forget()
      waits.forget()
      trims.forget()
    },
    async close() {
      if (closed) return
      closed = true
      const over = new AbortController()
      const late = sleep(clock, KAFKA_CLOSE_MAX_MS, over.signal).catch(() => undefined)
      await Promise.race([trims.close(), late])
      over.abort()
      appender.close()
      waits.end(closedProblem(cluster.name))
      await cluster.close()
    },
  }
}

/** The topic, where it is this lake's by all that can be asked now; the reads tell the rest. */
async function openOwnTopic(cluster: KafkaCluster, options: KafkaLogOptions): Promise<CheckedTopic> {
  const topic = await openTopic(cluster, options)
  const fetch = kafkaFetch(cluster, () => topic.id)
  const asked = topic.partitions.map((_, bucket) => newestRecord(fetch, bucket))
  for (const one of await Promise.allSettled(asked)) {
    const other = one.status === 'fulfilled' && one.value ? otherLake(one.value, options.lake_id) : undefined
    if (other === undefined || (await options.hasRead?.(logId(topic)))) continue
    throw new Problem('invalid', `Kafka: topic ${options.topic} holds batches for the lake ${other}: ${OTHER_TOPIC}`)
  }
  return topic
}

async function newestRecord(fetch: KafkaFetch, bucket: number): Promise<KafkaRecord | undefined> {
  const { first, next } = await fetch.askBounds(bucket)
  if (first === next) return undefined
  const [answer] = await fetch.fetch('read', await fetch.leaderOf(bucket), [{ bucket, from: next - 1 }], 0, 1)
  return storedRecords(answer?.records, next - 1).at(-1)?.record
}
