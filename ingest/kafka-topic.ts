import { createHash } from 'node:crypto'
import { Problem } from '../contract/problem.ts'
import type { KafkaCluster, KafkaTopic } from './kafka-cluster.ts'
import { kafkaReasons } from './kafka-problem.ts'
import { KAFKA_MESSAGE_BYTES, KAFKA_MESSAGE_MIN_BYTES, KAFKA_READ_MAX_MS, KAFKA_REQUEST_MS } from './limits.ts'

export type TopicDemands = {
  readonly buckets: number
  /** Of a topic that is made. */
  readonly replication: number
  /** Copies that must have a record before it is acknowledged. */
  readonly min_insync: number
  /** May it be made? */
  readonly make: boolean
}

export type CheckedTopic = KafkaTopic & { readonly max_message_bytes: number }

const SETTINGS = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'min.insync.replicas',
  'max.message.bytes',
  'unclean.leader.election.enable',
] as const
type Settings = Readonly<Partial<Record<(typeof SETTINGS)[number], string>>>

/** The topic, made when there is none and it may be. Raises `missing`, and `invalid` for one that does not keep the promise of an event log. */
export async function openTopic(cluster: KafkaCluster, demands: TopicDemands): Promise<CheckedTopic> {
  return await cluster.retry('opening', KAFKA_READ_MAX_MS, async () => {
    const found = await cluster.topic(true)
    if (found) return await checkTopic(cluster, found, demands)
    if (!demands.make) throw new cluster.kafka.ProtocolError('UNKNOWN_TOPIC_OR_PARTITION')
    await makeTopic(cluster, demands)
    // It is checked once the brokers have learnt of it.
    throw new cluster.kafka.ProtocolError('LEADER_NOT_AVAILABLE')
  })
}

async function makeTopic(cluster: KafkaCluster, demands: TopicDemands): Promise<void> {
  if (demands.min_insync > demands.replication) {
    const found = `kafka.min_insync is ${demands.min_insync}, kafka.replication ${demands.replication}`
    throw new Problem('invalid', `Kafka: ${found}: no append could ever be acknowledged`)
  }
  const configs = {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'min.insync.replicas': `${demands.min_insync}`,
    'max.message.bytes': `${KAFKA_MESSAGE_BYTES}`,
    'unclean.leader.election.enable': 'false',
    // The broker's time: one of a gateway that is wrong would be refused.
    'message.timestamp.type': 'LogAppendTime',
  }
  const topic = {
    name: cluster.name,
    numPartitions: demands.buckets,
    replicationFactor: demands.replication,
    assignments: [],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  }
  try {
    await cluster.ask('read', undefined, (connection) =>
      cluster.kafka.createTopicsV7.api.async(connection, [topic], KAFKA_REQUEST_MS, false),
    )
  } catch (error) {
    const { codes } = kafkaReasons(error)
    if (codes.includes('INVALID_REPLICATION_FACTOR')) {
      const found = `kafka.replication is ${demands.replication}, and the brokers are ${cluster.brokers}`
      const advice = 'start more of them, or set kafka.replication and kafka.min_insync lower'
      throw new Problem('invalid', `Kafka: topic ${cluster.name} cannot be made: ${found}: ${advice}`, { cause: error })
    }
    if (!codes.includes('TOPIC_ALREADY_EXISTS')) throw error
  }
}

/** Raises `invalid`, naming everything that does not fit. */
export async function checkTopic(
  cluster: KafkaCluster,
  topic: KafkaTopic,
  demands: TopicDemands,
): Promise<CheckedTopic> {
  const { ConfigResourceTypes, describeConfigsV4 } = cluster.kafka
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: cluster.name }
  const { results } = await cluster.ask('read', undefined, (connection) =>
    describeConfigsV4.api.async(connection, [{ ...resource, configurationKeys: [...SETTINGS] }], false, false),
  )
  const settings: Settings = Object.fromEntries(
    (results[0]?.configs ?? []).map(({ name, value }) => [name, value ?? '']),
  )
  const wrong = misfits(topic, settings, demands)
  if (wrong.length > 0) {
    const advice = 'alter the topic (docs/kafka.md), or name another one in kafka.topic'
    throw new Problem('invalid', `Kafka: topic ${cluster.name} cannot be the event log: ${wrong.join('; ')}: ${advice}`)
  }
  return { ...topic, max_message_bytes: Number(settings['max.message.bytes']) }
}

/** What of a topic does not fit, in words. */
export function misfits(
  topic: KafkaTopic,
  settings: Settings,
  { buckets, min_insync }: TopicDemands,
): readonly string[] {
  const wrong: string[] = []
  const copies = Math.min(...topic.partitions.map(({ replicas }) => replicas.length))
  const found = (name: keyof Settings) => settings[name] ?? 'not known'
  if (topic.partitions.length !== buckets)
    wrong.push(`it has ${topic.partitions.length} partitions, and the lake ${buckets} buckets`)
  if (copies < min_insync)
    wrong.push(`a partition has ${copies} copies, fewer than the ${min_insync} of kafka.min_insync`)
  if (!(Number(found('min.insync.replicas')) >= min_insync))
    wrong.push(
      `min.insync.replicas is ${found('min.insync.replicas')}, less than the ${min_insync} of kafka.min_insync`,
    )
  if (found('cleanup.policy') !== 'delete')
    wrong.push(`cleanup.policy is ${found('cleanup.policy')}: only with delete no record is taken out of the middle`)
  for (const name of ['retention.ms', 'retention.bytes'] as const)
    if (found(name) !== '-1')
      wrong.push(`${name} is ${found(name)}: it must be -1, since Hearth itself deletes what the table has`)
  if (!(Number(found('max.message.bytes')) >= KAFKA_MESSAGE_MIN_BYTES))
    wrong.push(`max.message.bytes is ${found('max.message.bytes')}: a batch of a hub needs ${KAFKA_MESSAGE_MIN_BYTES}`)
  if (found('unclean.leader.election.enable') !== 'false')
    wrong.push(
      'unclean.leader.election.enable is not false: a broker that lags behind would lose what was acknowledged',
    )
  return wrong
}

/** A log's id: what a cluster and a topic are known by, as a UUID. A topic made anew under its old name is another log. */
export function logId({ cluster_id, id }: Pick<KafkaTopic, 'cluster_id' | 'id'>): string {
  const hex = createHash('sha256').update(`${cluster_id} ${id}`).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
