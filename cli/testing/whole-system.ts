/** What a company runs, each server and process apart, and the troubles that may come to each: stopped, or silent. */
import { startKafka } from '../../infra/kafka/kafka.ts'
import { startPostgres } from '../../infra/postgres/server.ts'
import { startRedis } from '../../infra/redis/server.ts'
import { startS3 } from '../../infra/s3/server.ts'
import { registrySettings } from './registry-settings.ts'
import { openSystem, type Running, type System } from './system.ts'

const READY_MS = 120_000
/** All but the relay, which is what trouble must not reach. */
const PROCESSES = {
  'ingest gateway': ['ingest', 'gateway'],
  'ingest writer': ['ingest', 'writer'],
  jobs: ['jobs', 'scheduler'],
} as const

/** Something that the relay is to be independent of. */
export type Dependency = {
  readonly name: string
  /** SIGKILL; its port is closed. */
  stop(): Promise<void>
  /** Starts it again; resolves when it serves. */
  start(): Promise<void>
  /** SIGSTOP: connections are taken, and nothing is answered; and SIGCONT. */
  silence(): Promise<void>
  resume(): Promise<void>
}

export type WholeSystem = {
  readonly system: System
  readonly relay: Running
  readonly dependencies: readonly Dependency[]
  [Symbol.asyncDispose](): Promise<void>
}

/** Kafka, S3, Redis for the queue of jobs, the registry in Postgres, and Hearth's processes on them; all of it serves. `settings` over those. */
export async function openWholeSystem(settings: NodeJS.ProcessEnv = {}): Promise<WholeSystem> {
  await using stack = new AsyncDisposableStack()
  const kafka = stack.use(await startKafka({ brokers: 1 }))
  const s3 = stack.use(await startS3())
  const redis = stack.use(await startRedis())
  const postgres = stack.use(await startPostgres())
  const system = stack.use(
    await openSystem({
      ...{ ...s3.environment, AWS_EC2_METADATA_DISABLED: 'true', HEARTH_LAKE_URL: `s3://${s3.bucket}/lake` },
      ...{ HEARTH_S3_ENDPOINT: s3.endpoint, HEARTH_S3_PATH_STYLE: 'true' },
      ...{ HEARTH_KAFKA_BROKERS: kafka.bootstrap, HEARTH_KAFKA_REPLICATION: '1', HEARTH_KAFKA_MIN_INSYNC: '1' },
      ...{ HEARTH_JOBS_QUEUE: redis.url, HEARTH_LAYOUT_BUCKETS: '4' },
      ...registrySettings(postgres),
      ...settings,
    }),
  )
  const start = async (words: readonly string[]) => {
    const running = system.start(words)
    await running.untilSaid(/"event":"ready"/, READY_MS)
    return running
  }
  const broker = kafka.brokers[0]
  if (!broker) throw new Error('Kafka has no broker')
  const dependencies: Dependency[] = [
    dependency('Kafka', broker),
    dependency('S3', s3),
    dependency('Redis', redis),
    dependency('Postgres', postgres),
  ]
  for (const [name, words] of Object.entries(PROCESSES)) {
    let running = await start(words)
    dependencies.push({
      name,
      stop: () => running.killTree(),
      async start() {
        running = await start(words)
      },
      silence: async () => running.signal('SIGSTOP'),
      resume: async () => running.signal('SIGCONT'),
    })
  }
  const relay = await start(['relay'])
  const all = stack.move()
  return { system, relay, dependencies, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

function dependency(
  name: string,
  server: {
    kill(): Promise<void>
    restart(): Promise<void>
    pause(): void | Promise<void>
    resume(): void | Promise<void>
  },
): Dependency {
  return {
    name,
    stop: () => server.kill(),
    start: () => server.restart(),
    silence: async () => await server.pause(),
    resume: async () => await server.resume(),
  }
}
