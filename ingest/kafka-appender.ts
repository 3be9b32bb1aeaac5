import type { MessageRecord, produceV9 } from '@platformatic/kafka'
import type { Clock } from '../contract/clock.ts'
import { assert, Problem } from '../contract/problem.ts'
import type { LogRecord } from './event-log.ts'
import { closedProblem, type KafkaCluster, type KafkaTopic } from './kafka-cluster.ts'
import { kafkaReasons } from './kafka-problem.ts'
import { HEADER, LAKE_HEADER, recordBytes } from './kafka-record.ts'
import { KAFKA_APPEND_MAX_MS, KAFKA_GROUP_RECORDS_MAX, KAFKA_PRODUCE_MAX_BYTES, KAFKA_REQUEST_MS } from './limits.ts'
import { formatHeaders } from './log-form.ts'

/** Answers after which a broker has surely not appended. Any other failure of a request that left is ambiguous. */
const NOT_APPENDED = [
  'NOT_LEADER_OR_FOLLOWER',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'NOT_ENOUGH_REPLICAS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TIMESTAMP',
]
/** The broker forgot what this producer sent before, or takes it for an older one. */
const STATE_LOST = ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH']
/** Sequence numbers of a producer have 31 bits. */
const SEQUENCE_MAX = 2 ** 30

type Waiting = {
  readonly message: MessageRecord
  readonly bytes: number
  readonly since_ms: number
  resolve(position: number): void
  reject(error: unknown): void
}
/** One id that the brokers gave, under which what is sent again is known again. */
type Producer = { readonly id: bigint; readonly epoch: number; spent: boolean }
type Bucket = { readonly bucket: number; waiting: Waiting[]; running: boolean; producer?: Producer; sequence: number }
type Group = { readonly bucket: number; readonly messages: MessageRecord[]; readonly bytes: number } & {
  readonly producer: Producer
  readonly sequence: number
}
type Queued = { readonly group: Group; resolve(offset: bigint): void; reject(error: unknown): void }

/**
 * Appends to the partitions of a topic: `acks=all`, and each group of records has a producer id and sequence number, so
 * that the broker knows it again when it is sent again. Of a partition one group is under way at a time, which keeps
 * order and exactly-once simple; what arrives meanwhile goes with the next, and groups of the partitions that one broker
 * leads share a request. docs/decisions/031.
 */
export function kafkaAppender(options: {
  readonly cluster: KafkaCluster
  readonly clock: Clock
  readonly buckets: number
  readonly lake_id: string
  /** Bytes that a broker takes of a partition in one request. */
  groupMaxBytes(): number
  /** Raises when a topic that was made anew under the name is not fit to be appended to. */
  accept(topic: KafkaTopic): Promise<void>
}): { append(bucket: number, record: LogRecord): Promise<number>; close(): void } {
  const { cluster, clock } = options
  const lake = Buffer.from(options.lake_id)
  const buckets = Array.from({ length: options.buckets }, (_, bucket): Bucket => {
    return { bucket, waiting: [], running: false, sequence: 0 }
  })
  const queues = new Map<number, Queued[]>()
  const flying = new Set<number>()
  let producer: Promise<Producer> | undefined
  let closed = false

  async function run(one: Bucket): Promise<void> {
    one.running = true
    while (one.waiting.length > 0) {
      const group = takeGroup(one)
      try {
        const offset = await deliver(one, group)
        group.forEach(({ resolve }, index) => resolve(Number(offset) + index + 1))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    one.running = false
  }

  function takeGroup(one: Bucket): readonly Waiting[] {
    const most = options.groupMaxBytes()
    let bytes = 0
    let count = 0
    for (const item of one.waiting) {
      bytes += item.bytes
      if (count > 0 && (bytes > most || count >= KAFKA_GROUP_RECORDS_MAX)) break
      count++
    }
    return one.waiting.splice(0, count)
  }

  /** The group's first offset, once it is on all brokers that must have it. */
  async function deliver(one: Bucket, items: readonly Waiting[]): Promise<bigint> {
    const [first] = items
    assert(first, 'a group has records')
    const messages = items.map(({ message }) => message)
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
    const within_ms = KAFKA_APPEND_MAX_MS - (clock.monotonic() - first.since_ms)
    let ambiguous = false
    try {
      return await cluster.retry(`append to bucket ${one.bucket}`, within_ms, async () => {
        let sent = false
        try {
          const mine = await producerOf(one)
          const leader = await leaderOf(one.bucket)
          sent = true
          const group = { bucket: one.bucket, messages, bytes, producer: mine, sequence: one.sequence }
          const offset = await new Promise<bigint>((resolve, reject) => enqueue(leader, { group, resolve, reject }))
          one.sequence += messages.length
          return offset
        } catch (error) {
          const { codes } = kafkaReasons(error)
          const lost = codes.some((code) => STATE_LOST.includes(code))
          if (lost && one.producer) one.producer.spent = true
          else if (sent && !codes.some((code) => NOT_APPENDED.includes(code))) ambiguous = true
          throw error
        }
      })
    } catch (error) {
      if (!ambiguous || !(error instanceof Problem)) throw error
      // It may still be appended, so that the sequence numbers from here on are not known.
      if (one.producer) one.producer.spent = true
      const advice = 'a broker may have it all the same: sent again, what came before is removed'
      throw new Problem(error.kind, `${error.message}; ${advice}`, { outcome: 'unknown', cause: error })
    }
  }

  async function leaderOf(bucket: number): Promise<number> {
    const topic = await cluster.topic()
    if (!topic) throw new cluster.kafka.ProtocolError('UNKNOWN_TOPIC_OR_PARTITION')
    await options.accept(topic)
    const leader = topic.partitions[bucket]?.leader ?? -1
    if (leader < 0) throw new cluster.kafka.ProtocolError('LEADER_NOT_AVAILABLE')
    return leader
  }

  /** With a new producer the numbers begin anew: only between two groups, or when the broker forgot the old one. */
  async function producerOf(one: Bucket): Promise<Producer> {
    if (one.producer && !one.producer.spent && one.sequence < SEQUENCE_MAX) return one.producer
    const seen = producer
    const current = await seen?.catch(() => undefined)
    const good = current && !current.spent && current !== one.producer
    if (!good && producer === seen) producer = newProducer()
    const next = await (producer ?? newProducer())
    one.producer = next
    one.sequence = 0
    return next
  }

  async function newProducer(): Promise<Producer> {
    const { producerId, producerEpoch } = await cluster.ask('where', undefined, (connection) =>
      cluster.kafka.initProducerIdV4.api.async(connection, null, 0),
    )
    return { id: producerId, epoch: producerEpoch, spent: false }
  }

  function enqueue(leader: number, queued: Queued): void {
    const queue = queues.get(leader) ?? []
    queues.set(leader, queue)
    queue.push(queued)
    if (flying.has(leader)) return
    flying.add(leader)
    // What else was appended in this turn of the event loop goes with it.
    queueMicrotask(() => void fly(leader, queue))
  }

  async function fly(leader: number, queue: Queued[]): Promise<void> {
    while (queue.length > 0) await produce(leader, takeRequest(queue))
    flying.delete(leader)
  }

  function takeRequest(queue: Queued[]): readonly Queued[] {
    const [first] = queue
    assert(first, 'a request has groups')
    const taken: Queued[] = []
    let bytes = 0
    for (const queued of [...queue]) {
      bytes += queued.group.bytes
      if (taken.length > 0 && bytes > KAFKA_PRODUCE_MAX_BYTES) break
      if (queued.group.producer !== first.group.producer) continue
      taken.push(queued)
      queue.splice(queue.indexOf(queued), 1)
    }
    return taken
  }

  async function produce(leader: number, request: readonly Queued[]): Promise<void> {
    const { NumericMap, produceV9, ProtocolError } = cluster.kafka
    const sequences = new NumericMap()
    for (const { group } of request) sequences.set(`${cluster.name}:${group.bucket}`, group.sequence)
    const [{ producer: by } = { producer: undefined }] = request.map(({ group }) => group)
    const messages = request.flatMap(({ group }) => group.messages)
    const how = { producerId: by?.id ?? -1n, producerEpoch: by?.epoch ?? -1, sequences }
    try {
      // The broker gives up waiting for the other copies before the client gives up on the broker.
      const timeout_ms = KAFKA_REQUEST_MS - 1_000
      const response = await cluster.ask('append', leader, (connection) =>
        produceV9.api.async(connection, -1, timeout_ms, messages, how).catch(partialAnswer),
      )
      const answers = typeof response === 'boolean' ? [] : (response.responses[0]?.partitionResponses ?? [])
      for (const { group, resolve, reject } of request) {
        const answer = answers.find(({ index }) => index === group.bucket)
        if (answer?.errorCode === 0 && answer.baseOffset >= 0n) resolve(answer.baseOffset)
        else reject(new ProtocolError(answer?.errorCode || 'UNKNOWN_SERVER_ERROR', answer?.errorMessage))
      }
    } catch (error) {
      for (const { reject } of request) reject(error)
    }
  }

  return {
    append(bucket, record) {
      const one = buckets[bucket]
      if (!one) {
        const found = `there is no bucket ${bucket}; this log has the buckets 0 to ${options.buckets - 1}`
        return Promise.reject(new Problem('invalid', found))
      }
      if (closed) return Promise.reject(closedProblem(cluster.name))
      const headers = new Map([
        [HEADER, Buffer.from(formatHeaders(record))],
        [LAKE_HEADER, lake],
      ])
      const value = Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength)
      const key = Buffer.from(record.source)
      const message = { topic: cluster.name, partition: bucket, key, value, headers }
      return new Promise((resolve, reject) => {
        one.waiting.push({ message, bytes: recordBytes(message), since_ms: clock.monotonic(), resolve, reject })
        if (!one.running) void run(one)
      })
    },
    close() {
      closed = true
      for (const one of buckets) for (const { reject } of one.waiting.splice(0)) reject(closedProblem(cluster.name))
    },
  }
}

/** An answer that has an error for some partitions is an answer for the others. */
function partialAnswer(error: unknown): produceV9.ProduceResponse {
  const { response } = error as { response?: produceV9.ProduceResponse }
  if (response?.responses === undefined) throw error
  return response
}
