import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { countBrokers, type KafkaConnection } from '../ingest/kafka-cluster.ts'
import { openKafkaLog } from '../ingest/kafka-log.ts'
import { openKafkaShare } from '../ingest/kafka-share.ts'
import { hasRead } from '../ingest/position.ts'
import { type Share, wholeShare } from '../ingest/share.ts'
import { openSqliteLog } from '../ingest/sqlite-log.ts'
import type { Lake } from '../lake/lake.ts'
import type { CliContext } from './context.ts'
import { layoutOf } from './fleet.ts'
import { readSetting } from './setting-file.ts'

type LogContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

/** The event log of the lake that is configured: Kafka, or one file of the state folder. Made when there is none. */
export async function openEventLog(context: LogContext, lake: Lake): Promise<EventLog> {
  return await openConfigured(context, lake, true)
}

/** The event log that is configured; undefined when there is none yet. */
export async function existingEventLog(context: LogContext, lake: Lake): Promise<EventLog | undefined> {
  if (context.config.kafka.brokers === '' && !existsSync(logFile(context))) return undefined
  try {
    return await openConfigured(context, lake, false)
  } catch (error) {
    if (isProblem(error, 'missing')) return undefined
    throw error
  }
}

/** How many brokers of the Kafka that is configured there are. Raises what their answer, or none, means. */
export async function kafkaBrokers(context: Pick<CliContext, 'config' | 'clock'>): Promise<number> {
  return await countBrokers({ ...kafkaConnection(context), clock: context.clock })
}

/** Where the event log is, in words. */
export function logPlace(context: Pick<CliContext, 'home' | 'config'>, lake: Pick<Lake, 'id'>): string {
  const { brokers } = context.config.kafka
  return brokers === '' ? logFile(context) : `Kafka topic ${kafkaTopic(context, lake)} at ${brokers}`
}

function logFile({ home }: Pick<CliContext, 'home'>): string {
  return join(home, 'log.db')
}

/** A topic holds one layout of one lake. */
function kafkaTopic({ config }: Pick<CliContext, 'config'>, { id }: Pick<Lake, 'id'>): string {
  return config.kafka.topic || `hearth-${config.fleet}-${id.slice(0, 8)}-e${layoutOf({ config }).epoch}`
}

async function openConfigured(context: LogContext, lake: Lake, make: boolean): Promise<EventLog> {
  const { config, clock, random } = context
  const { buckets } = layoutOf(context)
  if (config.kafka.brokers === '') return await openSqliteLog(logFile(context), { buckets, clock, random })
  const { replication, min_insync } = config.kafka
  const demands = { buckets, replication, min_insync, make }
  return await openKafkaLog({
    ...kafkaConnection(context),
    ...{ ...demands, topic: kafkaTopic(context, lake), lake_id: lake.id, clock },
    hasRead: async (log_id) => hasRead((await (await lake.table(EVENTS_TABLE)).snapshot()).txns, log_id),
  })
}

/**
 * Which buckets a writer of this process takes: on Kafka it shares them with every other writer of the lake, on the
 * embedded log it has them all.
 */
export async function openShare(
  context: Pick<CliContext, 'config' | 'clock'>,
  options: {
    readonly lake: Pick<Lake, 'id'>
    /** How far the table has read a bucket: shown as the group's lag. */
    position(bucket: number): number
    /** Told why the other writers cannot be heard of. */
    note(reason: string): void
  },
): Promise<Share> {
  const { config, clock } = context
  const { epoch, buckets } = layoutOf(context)
  if (config.kafka.brokers === '') return wholeShare(buckets)
  const { session_ms } = config.kafka
  const { lake, position, note } = options
  return await openKafkaShare({
    ...{
      ...kafkaConnection(context),
      topic: kafkaTopic(context, lake),
      group: `hearth-${lake.id}-e${epoch}`,
      buckets,
      clock,
    },
    ...{ session_ms, position, note },
  })
}

/** How brokers are reached. Raises `invalid` for settings that do not go together, and files that cannot be read. */
function kafkaConnection({ config }: Pick<CliContext, 'config'>): KafkaConnection {
  const { brokers, tls, ca_file, cert_file, key_file, sasl, username } = config.kafka
  if ((cert_file === '') !== (key_file === ''))
    throw new Problem('invalid', 'kafka.cert_file and kafka.key_file go together: one of them is not set')
  if (!tls && [ca_file, cert_file].some((file) => file !== ''))
    throw new Problem('invalid', 'kafka.ca_file and kafka.cert_file are for TLS: set kafka.tls to true')
  const pem = (key: string, file: string) => (file === '' ? {} : { [key]: readSetting(`kafka.${key}_file`, file) })
  return {
    brokers: brokers.split(','),
    ...(tls ? { tls: { ...pem('ca', ca_file), ...pem('cert', cert_file), ...pem('key', key_file) } } : {}),
    ...(sasl === '' ? {} : { sasl: { mechanism: sasl, username, password: kafkaPassword(config.kafka) } }),
  }
}

function kafkaPassword({ username, password_file }: CliContext['config']['kafka']): string {
  const password =
    password_file === ''
      ? process.env['HEARTH_KAFKA_PASSWORD']
      : readSetting('kafka.password_file', password_file).trim()
  if (username === '' || !password) {
    const needed = 'kafka.username, and the password in kafka.password_file or HEARTH_KAFKA_PASSWORD'
    throw new Problem('invalid', `kafka.sasl needs ${needed}`)
  }
  return password
}
