import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import { javaClassPath } from '../java.ts'
import { freePorts } from '../ports.ts'
import { formatBroker, type KafkaBroker, kafkaBroker } from './broker.ts'
import { type KafkaCertificates, makeCertificates } from './certificates.ts'

/** The account of the SASL_SSL listeners, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export const KAFKA_USER = { username: 'hearth', password: 'a word for tests' } as const

export type Kafka = {
  /** PLAINTEXT, as advertised: `host:port,host:port`. */
  readonly bootstrap: string
  /** TLS, where a client certificate may be shown. */
  readonly bootstrap_ssl: string
  /** SASL within TLS. */
  readonly bootstrap_sasl: string
  readonly brokers: readonly KafkaBroker[]
  readonly certificates: KafkaCertificates
  readonly admin: KafkaAdmin
  [Symbol.asyncDispose](): Promise<void>
}

export type KafkaAdmin = {
  createTopic(
    name: string,
    options: {
      readonly partitions: number
      readonly replicas: number
      readonly configs?: Readonly<Record<string, string>>
    },
  ): Promise<void>
  deleteTopic(name: string): Promise<void>
  /** Deletes the records of a partition below `offset`. */
  deleteRecords(name: string, partition: number, offset: number): Promise<void>
  /** Sets one setting of a topic. */
  configure(name: string, key: string, value: string): Promise<void>
  /** Index in `brokers` of a partition's leader. */
  leader(name: string, partition: number): Promise<number>
}

export type KafkaOptions = {
  readonly brokers: 1 | 3
  /** How long a broker may be silent before another leads its partitions. */
  readonly session_ms?: number
  /** Port that clients are told for a broker's PLAINTEXT listener: of a proxy before it, where there is one. */
  advertise?(port: number, broker: number): number | Promise<number>
  /** For figures: the JVM optimises as it does in production, which costs a start twice the CPU. */
  readonly optimised?: boolean
  /** Host that clients of PLAINTEXT are told where they are not on this machine; `admin` cannot be used then. */
  readonly host?: string
}

/** A cluster of Apache Kafka on free ports of 127.0.0.1, in a folder that goes with it. */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const classPath = await javaClassPath('kafka')
  const { host = '127.0.0.1', optimised = false } = options
  const folder = await mkdtemp(join(tmpdir(), 'hearth-kafka-'))
  const certificates = await makeCertificates(join(folder, 'certificates'))
  const cluster = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url')
  const ports = await freePorts(options.brokers * PORTS_A_BROKER)
  const plan = await Promise.all(
    Array.from({ length: options.brokers }, async (_, index) => {
      const [plain = 0, ssl = 0, sasl = 0, internal = 0, controller = 0] = ports.slice(index * PORTS_A_BROKER)
      const advertised = (await options.advertise?.(plain, index)) ?? plain
      return { id: index + 1, plain, ssl, sasl, internal, controller, host, advertised }
    }),
  )
  const brokers: KafkaBroker[] = []
  // A test run that ends by itself in the middle leaves no broker behind.
  const orphans = () => {
    for (const broker of brokers) void broker.kill()
  }
  process.once('exit', orphans)
  const end = async () => {
    process.removeListener('exit', orphans)
    await Promise.all(brokers.map((broker) => broker.kill()))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const node of plan) {
      const files = { classPath, folder: join(folder, `${node.id}`), properties: '', optimised }
      const properties = serverProperties(node, plan, files.folder, certificates, options.session_ms ?? SESSION_MS)
      await formatBroker({ ...files, properties }, cluster, scram())
      brokers.push(kafkaBroker({ ...files, properties }, node.id, node.plain))
    }
    await Promise.all(brokers.map((broker) => broker.restart()))
  } catch (error) {
    await end()
    throw error
  }
  const bootstrap = plan.map(({ advertised }) => `${host}:${advertised}`).join(',')
  const admin = await openAdmin(plan.map(({ plain }) => `127.0.0.1:${plain}`))
  return {
    bootstrap,
    bootstrap_ssl: plan.map(({ ssl }) => `127.0.0.1:${ssl}`).join(','),
    bootstrap_sasl: plan.map(({ sasl }) => `127.0.0.1:${sasl}`).join(','),
    brokers,
    certificates,
    admin: admin.helpers,
    async [Symbol.asyncDispose]() {
      await admin.close()
      await end()
    },
  }
}

const PORTS_A_BROKER = 5
/** Short, so that tests need not wait 9 s for another leader, nor for a killed broker to be let in again. */
const SESSION_MS = 3_000

type Node = {
  readonly id: number
  readonly plain: number
  readonly ssl: number
  readonly sasl: number
  /** Between brokers: never through what is advertised. */
  readonly internal: number
  readonly controller: number
  /** What clients of PLAINTEXT are told. */
  readonly host: string
  readonly advertised: number
}

function scram(): readonly string[] {
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${KAFKA_USER.username},password="${KAFKA_USER.password}"]`,
  ])
}

function serverProperties(
  node: Node,
  nodes: readonly Node[],
  folder: string,
  certificates: KafkaCertificates,
  session_ms: number,
): string {
  const replicas = nodes.length
  const { username, password } = KAFKA_USER
  const at = (name: string, port: number) => `${name}://127.0.0.1:${port}`
  const clients = [at('SSL', node.ssl), at('SASL_SSL', node.sasl), at('INTERNAL', node.internal)]
  const sasl = 'listener.name.sasl_ssl'
  const module = 'org.apache.kafka.common.security'
  const scramModule = `${module}.scram.ScramLoginModule required;`
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': nodes.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: [at('PLAINTEXT', node.plain), ...clients, at('CONTROLLER', node.controller)].join(','),
    'advertised.listeners': [`PLAINTEXT://${node.host}:${node.advertised}`, ...clients].join(','),
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'INTERNAL',
    'log.dirs': join(folder, 'data'),
    'broker.session.timeout.ms': session_ms,
    'broker.heartbeat.interval.ms': Math.ceil(session_ms / 6),
    'replica.lag.time.max.ms': session_ms,
    'controller.quorum.fetch.timeout.ms': 2_000,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'auto.create.topics.enable': false,
    'offsets.topic.num.partitions': 3,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': 1,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.broker,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.ca,
    'listener.name.ssl.ssl.client.auth': 'required',
    [`${sasl}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${sasl}.plain.sasl.jaas.config`]: `${module}.plain.PlainLoginModule required user_${username}="${password}";`,
    [`${sasl}.scram-sha-256.sasl.jaas.config`]: scramModule,
    [`${sasl}.scram-sha-512.sasl.jaas.config`]: scramModule,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function openAdmin(bootstrapBrokers: string[]): Promise<{ helpers: KafkaAdmin; close(): Promise<void> }> {
  const admin = new Admin({
    clientId: 'test-admin',
    bootstrapBrokers,
    retries: 30,
    retryDelay: 200,
    requestTimeout: 5_000,
  })
  const ignored = () => undefined
  const helpers: KafkaAdmin = {
    async createTopic(name, { partitions, replicas, configs = {} }) {
      const list = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
      await admin.createTopics({ topics: [name], partitions, replicas, configs: list })
    },
    async deleteTopic(name) {
      await admin.deleteTopics({ topics: [name] })
      // The controller has deleted it; the broker that is asked next may know it for a moment longer.
      while ((await admin.listTopics()).includes(name)) await pause(20)
    },
    async deleteRecords(name, partition, offset) {
      await admin.deleteRecords({ topics: [{ name, partitions: [{ partition, offset: BigInt(offset) }] }] })
    },
    async configure(name, key, value) {
      const configs = [{ name: key, configOperation: IncrementalAlterConfigOperationTypes.SET, value }]
      const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configs }
      await admin.incrementalAlterConfigs({ resources: [resource] })
    },
    async leader(name, partition) {
      const { topics } = await admin.metadata({ topics: [name], forceUpdate: true })
      return (topics.get(name)?.partitions[partition]?.leader ?? 0) - 1
    },
  }
  return {
    helpers,
    async close() {
      await admin.close().catch(ignored)
    },
  }
}
