import { isIP } from 'node:net'
import type * as KafkaClient from '@platformatic/kafka'
import type { Connection, ConnectionPool, metadataV12 } from '@platformatic/kafka'
import { type Clock, sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { kafkaProblem, kafkaReasons } from './kafka-problem.ts'
import {
  KAFKA_CLOSE_MAX_MS,
  KAFKA_CONNECT_MS,
  KAFKA_LEADERS_AGE_MS,
  KAFKA_MISSING_MS,
  KAFKA_POLL_MS,
  KAFKA_REQUEST_MS,
  KAFKA_RETRY_FIRST_MS,
  KAFKA_RETRY_MAX_MS,
  KAFKA_WHERE_MS,
} from './limits.ts'

export type KafkaModule = typeof KafkaClient

/** How brokers are reached. */
export type KafkaConnection = {
  /** `host:port` each. */
  readonly brokers: readonly string[]
  /** PEM texts; without `tls` plain TCP. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly sasl?: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
    readonly username: string
    readonly password: string
  }
}

export type KafkaPartition = {
  /** Broker id; -1 while there is none. */
  readonly leader: number
  readonly replicas: readonly number[]
}

export type KafkaTopic = {
  readonly cluster_id: string
  readonly id: string
  readonly partitions: readonly KafkaPartition[]
}

/**
 * A broker answers the requests of one connection one after the other, so what may wait for long has connections of its
 * own: appends, requests that wait for records, and a group's. `where` are the small questions that must not wait.
 */
const LANES = {
  where: { requestTimeout: KAFKA_WHERE_MS, maxInflights: 8 },
  append: { requestTimeout: KAFKA_REQUEST_MS, maxInflights: 2 },
  read: { requestTimeout: KAFKA_REQUEST_MS, maxInflights: 8 },
  wait: { requestTimeout: KAFKA_REQUEST_MS + KAFKA_POLL_MS, maxInflights: 1 },
} as const
export type KafkaLane = keyof typeof LANES | 'join'

export type KafkaCluster = {
  readonly kafka: KafkaModule
  /** Name of the topic. */
  readonly name: string
  /** The topic as brokers know it, undefined when they know none; not older than KAFKA_LEADERS_AGE_MS unless `anew`. */
  topic(anew?: boolean): Promise<KafkaTopic | undefined>
  /** How many brokers there are, as the last answer had it. */
  readonly brokers: number
  /** One request to a broker, to any with `undefined`; `sent` is called before it leaves. The client's own errors. */
  ask<T>(lane: KafkaLane, broker: number | undefined, call: (connection: Connection) => Promise<T>): Promise<T>
  /** Tries until it succeeds or `within_ms` is over; then raises what `kafkaProblem` makes of the failure. */
  retry<T>(what: string, within_ms: number, attempt: () => Promise<T>): Promise<T>
  /** Drops the connections; what is under way fails. */
  close(): Promise<void>
}

/** Nothing is asked of a broker before the first question. The client is loaded here: other logs do not pay for it. */
export async function openKafkaCluster(
  options: KafkaConnection & {
    readonly topic: string
    readonly clock: Clock
    /** How long joining a group may wait for its other members. */
    readonly join_ms?: number
  },
): Promise<KafkaCluster> {
  const { clock, topic: name } = options
  const kafka = await import('@platformatic/kafka')
  const bootstrap = options.brokers.map((text) => kafka.parseBroker(text))
  const join = { requestTimeout: (options.join_ms ?? 0) + KAFKA_REQUEST_MS, maxInflights: 1 }
  const lanes = { ...LANES, join }
  const pools = new Map<KafkaLane, ConnectionPool>()
  const addresses = new Map<number, { host: string; port: number }>()
  const closing = new AbortController()
  let turn = 0
  let known: { readonly topic: KafkaTopic | undefined; readonly at_ms: number } | undefined
  let asking: Promise<KafkaTopic | undefined> | undefined

  function poolOf(lane: KafkaLane): ConnectionPool {
    const found = pools.get(lane)
    if (found) return found
    const { tls, sasl } = options
    const pool = new kafka.ConnectionPool('hearth', {
      connectTimeout: KAFKA_CONNECT_MS,
      ...lanes[lane],
      ...(tls ? { tls: { ...tls }, tlsServerName: !bootstrap.some(({ host }) => isIP(host) !== 0) } : {}),
      ...(sasl ? { sasl: { ...sasl } } : {}),
    })
    // The pool listens to the first error of a connection only, and a second one would end the process.
    pool.on('connecting', ({ connection }) => connection.on('error', () => undefined))
    pools.set(lane, pool)
    return pool
  }

  async function connectionTo(lane: KafkaLane, broker: number | undefined): Promise<Connection> {
    if (closing.signal.aborted) throw closedProblem(name)
    if (broker !== undefined) {
      const address = addresses.get(broker)
      if (!address) throw new Problem('unavailable', `Kafka: broker ${broker} has no address yet`)
      return await poolOf(lane).get(address)
    }
    const all = [...bootstrap, ...addresses.values()]
    const first = turn % all.length
    return await poolOf(lane).getFirstAvailable([...all.slice(first), ...all.slice(0, first)])
  }

  async function ask<T>(lane: KafkaLane, broker: number | undefined, call: (connection: Connection) => Promise<T>) {
    try {
      return await call(await connectionTo(lane, broker))
    } catch (error) {
      // A broker that hangs takes connections all the same: the next question goes to another one.
      if (broker === undefined) turn++
      throw error
    }
  }

  async function learn(): Promise<KafkaTopic | undefined> {
    const response = await ask('where', undefined, (connection) =>
      kafka.metadataV12.api.async(connection, [name], false, false).catch((error: unknown) => {
        // What is wrong with a topic or a partition is said there; the rest of the answer is good.
        const { response: partial } = error as { response?: metadataV12.MetadataResponse }
        if (partial?.topics === undefined) throw error
        return partial
      }),
    )
    addresses.clear()
    for (const { nodeId, host, port } of response.brokers) addresses.set(nodeId, { host, port })
    const [found] = response.topics
    if (found && ![0, UNKNOWN_TOPIC].includes(found.errorCode)) throw new kafka.ProtocolError(found.errorCode)
    const topic =
      !found || found.errorCode === UNKNOWN_TOPIC
        ? undefined
        : {
            cluster_id: response.clusterId ?? '',
            id: found.topicId,
            partitions: found.partitions
              .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
              .map(({ leaderId, replicaNodes }) => ({ leader: leaderId, replicas: replicaNodes })),
          }
    known = { topic, at_ms: clock.monotonic() }
    return topic
  }

  return {
    kafka,
    name,
    async topic(anew = false) {
      if (!anew && known?.topic && clock.monotonic() - known.at_ms < KAFKA_LEADERS_AGE_MS) return known.topic
      asking ??= learn().finally(() => (asking = undefined))
      return await asking
    },
    get brokers() {
      return addresses.size
    },
    ask,
    async retry(what, within_ms, attempt) {
      const begun_ms = clock.monotonic()
      let unknown_ms: number | undefined
      for (let pause_ms = KAFKA_RETRY_FIRST_MS; ; pause_ms = Math.min(KAFKA_RETRY_MAX_MS, pause_ms * 2)) {
        try {
          return await attempt()
        } catch (error) {
          const reasons = kafkaReasons(error)
          const now_ms = clock.monotonic()
          unknown_ms = reasons.unknown ? (unknown_ms ?? now_ms) : undefined
          const missing = unknown_ms !== undefined && now_ms - unknown_ms >= KAFKA_MISSING_MS
          const over = missing || now_ms - begun_ms >= within_ms
          if (closing.signal.aborted) throw closedProblem(name, error)
          if (over || !reasons.passing)
            throw kafkaProblem(`${what} of topic ${name} at ${options.brokers.join(', ')}`, error)
          known = undefined
          await sleep(clock, pause_ms, closing.signal).catch(() => undefined)
        }
      }
    },
    async close() {
      closing.abort()
      const connections = [...pools.values()].flatMap((pool) => [...pool].map(([, connection]) => connection))
      const closed = Promise.allSettled([...pools.values()].map((pool) => pool.close()))
      for (const connection of connections) connection.socket?.destroy()
      const waited = new AbortController()
      await Promise.race([closed, sleep(clock, KAFKA_CLOSE_MAX_MS, waited.signal).catch(() => undefined)])
      waited.abort()
    },
  }
}

/** How many brokers there are. Raises what `kafkaProblem` makes of it where none answers, or none takes this client. */
export async function countBrokers(options: KafkaConnection & { readonly clock: Clock }): Promise<number> {
  const cluster = await openKafkaCluster({ ...options, topic: 'hearth' })
  try {
    await cluster.topic()
    return cluster.brokers
  } catch (error) {
    throw kafkaProblem(`asking ${options.brokers.join(', ')}`, error)
  } finally {
    await cluster.close()
  }
}

const UNKNOWN_TOPIC = 3

export function closedProblem(name: string, cause?: unknown): Problem {
  return new Problem('closed', `the event log of topic ${name} is closed`, { outcome: 'unknown', cause })
}
