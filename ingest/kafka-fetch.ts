import type { fetchV13 } from '@platformatic/kafka'
import { Problem } from '../contract/problem.ts'
import type { LogBounds } from './event-log.ts'
import type { KafkaCluster, KafkaLane, KafkaTopic } from './kafka-cluster.ts'
import { KAFKA_AHEAD_BYTES, KAFKA_READ_MAX_MS } from './limits.ts'

/** What a broker answers for one bucket. */
export type FetchAnswer = fetchV13.FetchResponsePartition

/** From which position on a bucket is asked for. */
export type Wanted = { readonly bucket: number; readonly from: number }

/** Asks the leaders of a topic that is known by its id, so that another one under the same name is noticed. */
export type KafkaFetch = {
  /** One answer a bucket, good or not; `wait_ms` is how long the broker holds the request while there is nothing. */
  fetch(
    lane: KafkaLane,
    leader: number,
    wanted: readonly Wanted[],
    wait_ms: number,
    bytes: number,
  ): Promise<readonly FetchAnswer[]>
  /** Raises `conflict` when the name is another topic's now, and the client's error while there is no leader. */
  leaderOf(bucket: number): Promise<number>
  /** Asked once, and until KAFKA_READ_MAX_MS is over. */
  askBounds(bucket: number): Promise<LogBounds>
  bounds(bucket: number): Promise<LogBounds>
}

export const OFFSET_OUT_OF_RANGE = 1
const LATEST = -1n
/** Only what all brokers that must have it have; nobody writes transactions here. */
const READ_UNCOMMITTED = 0

export function kafkaFetch(cluster: KafkaCluster, topicId: () => string): KafkaFetch {
  const { kafka, name } = cluster

  function expected(topic: KafkaTopic | undefined): KafkaTopic {
    if (!topic) throw new kafka.ProtocolError('UNKNOWN_TOPIC_OR_PARTITION')
    if (topic.id === topicId()) return topic
    const advice = 'what it held is gone; the new one is another log, which is read from its begin'
    throw new Problem('conflict', `Kafka: topic ${name} was made anew (${topicId()} is now ${topic.id}): ${advice}`)
  }

  async function leaderOf(bucket: number): Promise<number> {
    const { partitions } = expected(await cluster.topic())
    const leader = partitions[bucket]?.leader ?? -1
    if (leader < 0) throw new kafka.ProtocolError('LEADER_NOT_AVAILABLE')
    return leader
  }

  async function fetch(
    lane: KafkaLane,
    leader: number,
    wanted: readonly Wanted[],
    wait_ms: number,
    bytes: number,
  ): Promise<readonly FetchAnswer[]> {
    const partitions = wanted.map(({ bucket, from }) => ({
      ...{ partition: bucket, currentLeaderEpoch: -1, fetchOffset: BigInt(from - 1), lastFetchedEpoch: -1 },
      partitionMaxBytes: bytes,
    }))
    const least = wait_ms > 0 ? 1 : 0
    const session = [0, -1] as const
    const topics = [{ topicId: topicId(), partitions }]
    const response = await cluster.ask(lane, leader, (connection) =>
      kafka.fetchV13.api
        .async(connection, wait_ms, least, KAFKA_AHEAD_BYTES, READ_UNCOMMITTED, ...session, topics, [], '')
        .catch(partialAnswer),
    )
    if (response.errorCode !== 0) throw new kafka.ProtocolError(response.errorCode)
    return response.responses.flatMap((one) => one.partitions)
  }

  /** The end by its name, then all of it by its id: the first alone would take another topic's for it. */
  async function askBounds(bucket: number): Promise<LogBounds> {
    const leader = await leaderOf(bucket)
    const topics = [{ name, partitions: [{ partitionIndex: bucket, currentLeaderEpoch: -1, timestamp: LATEST }] }]
    const found = await cluster.ask('read', leader, (connection) =>
      kafka.listOffsetsV7.api.async(connection, -1, READ_UNCOMMITTED, topics),
    )
    const end = Number(found.topics[0]?.partitions[0]?.offset ?? 0)
    const [answer] = await fetch('read', leader, [{ bucket, from: end + 1 }], 0, 1)
    if (!answer || answer.errorCode !== 0) throw new kafka.ProtocolError(answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR')
    return { first: Number(answer.logStartOffset) + 1, next: Number(answer.highWatermark) + 1 }
  }

  return {
    fetch,
    leaderOf,
    askBounds,
    bounds: (bucket) => cluster.retry(`bounds of bucket ${bucket}`, KAFKA_READ_MAX_MS, () => askBounds(bucket)),
  }
}

/** An answer that has an error for some partitions is an answer for the others. */
function partialAnswer(error: unknown): fetchV13.FetchResponse {
  const { response } = error as { response?: fetchV13.FetchResponse }
  if (response?.responses === undefined) throw error
  return response
}
