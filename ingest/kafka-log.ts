import { type Clock, sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { EventLog, LogBounds } from './event-log.ts'
import { kafkaAppender } from './kafka-appender.ts'
import { closedProblem, type KafkaConnection, type KafkaTopic, openKafkaCluster } from './kafka-cluster.ts'
import { kafkaFetch } from './kafka-fetch.ts'
import { kafkaReader } from './kafka-reader.ts'
import { GROUP_FRAME_BYTES } from './kafka-record.ts'
import { checkTopic, logId, openTopic, type TopicDemands } from './kafka-topic.ts'
import { kafkaTrims } from './kafka-trims.ts'
import { kafkaWaits } from './kafka-waits.ts'
import { KAFKA_CLOSE_MAX_MS, KAFKA_READ_MAX_MS } from './limits.ts'

export type KafkaLogOptions = KafkaConnection &
  TopicDemands & {
    readonly topic: string
    readonly clock: Clock
  }

/**
 * The event log on Kafka: a topic with a partition for each bucket, a record for each batch, position = offset + 1. What
 * is appended is on `min_insync` brokers before it is acknowledged; what is read is on all that must have it. Raises `missing`
 * for a topic that is not there and must not be made, `invalid` for one that does not keep the promise (docs/kafka.md), `unauthorized`, and
 * `unavailable` when no broker answers within KAFKA_READ_MAX_MS.
 * A topic that was made anew under its name is another log: reads raise `conflict` until `identify` was called.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const { buckets, clock } = options
  const cluster = await openKafkaCluster(options)
  let topic = await openTopic(cluster, options).catch(async (error: unknown) => {
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
  const reader = kafkaReader({ cluster, fetch })
  const waits = kafkaWaits({ cluster, fetch, reader, clock })
  const trims = kafkaTrims({ cluster, clock, leaderOf: fetch.leaderOf })
  const groupMaxBytes = () => fit.max_message_bytes - GROUP_FRAME_BYTES
  const appender = kafkaAppender({ cluster, clock, buckets, groupMaxBytes, accept })

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
      topic = await openTopic(cluster, options)
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
