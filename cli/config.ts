import { z } from 'zod'
import { EMBEDDED_BUCKETS } from '../contract/bucket.ts'
import { FIRST_RELAY, RELAY_NAME } from '../contract/relay-name.ts'
import { FRESHNESS_MS, KAFKA_SESSION_MS } from '../ingest/limits.ts'
import { LOG_RETENTION_MS, RETENTION_MS } from '../lake/limits.ts'
import { LOG_LEVELS } from './log-level.ts'
import { isPostgresUrl } from './registry-address.ts'

/** Messages of the schema say what was expected; `parseConfig` adds the key and what was found. */
function whole(what: string, from: number, to: number) {
  return z.coerce.number(what).int(what).min(from, what).max(to, what)
}

const port = whole('a port from 0 to 65535', 0, 65535)
const opsPort = port
  .default(0)
  .describe('HTTP for /healthz, /readyz and /metrics, on ops_host. With 0 a free one, told in run/<process>.json.')
const names = z
  .string()
  .regex(/^(|[A-Za-z0-9.:-]+(,[A-Za-z0-9.:-]+)*)$/, 'nothing, or names as name,name')
  .default('')
/** As the timers and counters below take it. */
const NUMBER_MAX = 2 ** 31 - 1
const atLeast = (from: number) => whole(`a whole number from ${from}`, from, NUMBER_MAX)

const redisUrl = z
  .string()
  .refine(isRedisUrl, 'nothing, or redis://[user:password@]host[:port][/db], with rediss:// for TLS')
  .default('')

const httpUrl = z
  .string()
  .regex(/^(|https?:\/\/\S+)$/, 'nothing, or http://… or https://…')
  .default('')

/** Keys decide who may do what: they come by TLS, or from this machine. */
function isKeysUrl(text: string): boolean {
  if (text === '') return true
  const url = URL.parse(text)
  if (url?.protocol === 'https:') return true
  return url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
}

function isRedisUrl(text: string): boolean {
  if (text === '') return true
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') return false
  const isPlain = /^(|\/|\/\d{1,3})$/.test(url.pathname) && url.search === '' && url.hash === ''
  return isPlain && !/%(?![0-9a-f]{2})/i.test(url.username + url.password)
}

/** Everything that can be set, in `hearth.yaml` or as `HEARTH_<SECTION>_<KEY>`. Every key is optional. */
export const configSchema = z.strictObject({
  fleet: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'a name of 1 to 32 lower-case letters, digits and hyphens')
    .default('demo')
    .describe('Name of the fleet: part of every certificate and of lake.json. It cannot change later.'),
  region: z.string().default('local').describe('Region of the lake. It cannot change later.'),
  log: z
    .enum(LOG_LEVELS)
    .default('info')
    .describe('What processes log, from this on: debug, info, warn, error. JSON, one fact a line, on standard error.'),
  ops_host: z
    .string()
    .default('127.0.0.1')
    .describe('Address on which processes tell their health and metrics: plain HTTP, for probes and Prometheus alone.'),
  layout: z
    .strictObject({
      buckets: whole('a whole number from 1 to 1024', 1, 1024)
        .default(EMBEDDED_BUCKETS)
        .describe('Buckets of a new lake.'),
    })
    .prefault({}),
  lake: z
    .strictObject({
      url: z
        .string()
        .regex(
          /^(|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9._=-]+)*)$/,
          'nothing, or s3://<bucket>/<prefix>',
        )
        .default('')
        .describe('Where the lake is: `s3://<bucket>/<prefix>`; with nothing, the folder `lake` of the state folder.'),
      cache_mb: atLeast(64)
        .default(4096)
        .describe('Local disk that copies of data files of a lake in S3 may take, for queries and jobs, in MB.'),
    })
    .prefault({}),
  s3: z
    .strictObject({
      endpoint: z.string().default('').describe('URL of an S3 server other than AWS.'),
      region: z
        .string()
        .default('us-east-1')
        .describe("Region of the bucket. Credentials come by the AWS SDK's own chain: variables, profile, role."),
      path_style: z
        .stringbool()
        .or(z.boolean())
        .default(false)
        .describe('`http://host/bucket/key` and not `http://bucket.host/key`: most servers other than AWS.'),
      sse: z
        .enum(['', 'AES256', 'aws:kms'])
        .default('')
        .describe("Server-side encryption that is asked for; with nothing, the bucket's own default."),
      kms_key: z.string().default('').describe("Key of `aws:kms`; with nothing, the account's own."),
    })
    .prefault({}),
  kafka: z
    .strictObject({
      brokers: z
        .string()
        .regex(/^(|[^\s,:]+:\d+(,[^\s,:]+:\d+)*)$/, 'nothing, or host:port,host:port')
        .default('')
        .describe('Brokers of the event log, as `host:port,host:port`; with nothing, the embedded log `log.db`.'),
      topic: z
        .string()
        .regex(/^(|[a-zA-Z0-9._-]{1,249})$/, 'a topic name')
        .default('')
        .describe(
          'Topic of the event log, made when absent; with nothing, `hearth-<fleet>-<lake>-e<epoch>`, lake being the first 8 digits of its id.',
        ),
      replication: whole('a whole number from 1 to 9', 1, 9)
        .default(3)
        .describe('Copies of each partition of a new topic.'),
      min_insync: whole('a whole number from 1 to 9', 1, 9)
        .default(2)
        .describe('Copies that must have a batch before it is acknowledged.'),
      tls: z.stringbool().or(z.boolean()).default(false).describe('TLS to the brokers.'),
      ca_file: z.string().default('').describe("PEM of the CA that signed the brokers' certificates."),
      cert_file: z.string().default('').describe('PEM of a client certificate, where brokers ask for one.'),
      key_file: z.string().default('').describe('PEM of its key.'),
      sasl: z
        .enum(['', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
        .default('')
        .describe('SASL mechanism, where brokers ask for one.'),
      username: z.string().default('').describe('Name for SASL.'),
      session_ms: whole('a whole number from 6000 to 60000', 6_000, 60_000)
        .default(KAFKA_SESSION_MS)
        .describe('A writer that is silent for so long gives its buckets up to the others.'),
      password_file: z
        .string()
        .default('')
        .describe('File that holds the password for SASL; with nothing, `HEARTH_KAFKA_PASSWORD` has it.'),
    })
    .prefault({}),
  registry: z
    .strictObject({
      url: z
        .string()
        .refine(isPostgresUrl, 'nothing, or postgres://[user[:password]@]host[:port]/database')
        .default('')
        .describe(
          'Postgres that has the registry, as `postgres://user@host:5432/database`, always over TLS 1.3; with nothing, `registry.db` of the state folder.',
        ),
      ca_file: z
        .string()
        .default('')
        .describe("PEM of the CA that signed Postgres's certificate; with nothing, the CAs that Node knows."),
      password_file: z
        .string()
        .default('')
        .describe('File that holds the password for Postgres, in place of one in the URL.'),
    })
    .prefault({}),
  tokens: z
    .strictObject({
      issuer: z
        .string()
        .default('')
        .describe(
          'Who else issues tokens of apps, as their claim `iss` says; with nothing, nobody (docs/operations.md).',
        ),
      audience: z.string().default('').describe('What their claim `aud` must name.'),
      jwks_url: z
        .string()
        .refine(isKeysUrl, 'nothing, or https://… (http:// of this machine alone)')
        .default('')
        .describe("Where the issuer's public keys are, a JSON Web Key Set; asked each ten minutes."),
      jwks_file: z.string().default('').describe('File that has them, in place of a URL.'),
      tolerance_s: whole('a whole number from 0 to 300', 0, 300)
        .default(30)
        .describe("By how much the issuer's clock and this machine's may differ, in seconds."),
    })
    .prefault({}),
  relay: z
    .strictObject({
      host: z
        .string()
        .default('127.0.0.1')
        .describe('Address that the relay listens on, for hubs and for apps (docs/operations.md).'),
      names: names.describe('Names by which hubs reach it beside host, as `name,name`: its certificate has them.'),
      hub_port: port.default(8883).describe('MQTT over TLS: the control connection of hubs.'),
      app_port: port.default(8980).describe('HTTP and WebSocket for apps: plain HTTP unless app_cert_file is set.'),
      app_cert_file: z
        .string()
        .default('')
        .describe(
          'PEM of a certificate and its chain: apps then come by HTTPS. Other processes must trust it (NODE_EXTRA_CA_CERTS).',
        ),
      app_key_file: z.string().default('').describe('PEM of its key.'),
      source: z
        .string()
        .regex(RELAY_NAME, 'relay-<number>, as relay-0')
        .default(FIRST_RELAY)
        .describe('Name of this relay, of a fleet of several: each has its own, and keeps it.'),
      directory: redisUrl.describe(
        'Redis in which relays find the hubs of each other (docs/operations.md); with nothing, this is the only relay.',
      ),
      directory_ca_file: z.string().default('').describe("PEM of the CA that signed Redis's certificate."),
      directory_password_file: z
        .string()
        .default('')
        .describe('File that holds the password for Redis, in place of one in the URL.'),
      peer_port: whole('a port from 1 to 65535', 1, 65535)
        .default(8983)
        .describe('TLS: connections of other relays, where there is a directory.'),
      peer_address: z
        .string()
        .regex(/^(|([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5})$/, 'nothing, or host:port')
        .refine((text) => Number(/:(\d+)$/.exec(text)?.[1] ?? 1) <= 65535, 'a port of at most 65535')
        .default('')
        .describe('Where other relays reach this one, as `host:port`; with nothing, host and peer_port.'),
      ops_port: opsPort,
    })
    .prefault({}),
  ingest: z
    .strictObject({
      host: z
        .string()
        .default('127.0.0.1')
        .describe('Address that the gateway listens on, and that the relay of the same settings sends its events to.'),
      names: names.describe('Names by which hubs reach it beside host, as `name,name`: its certificate has them.'),
      mqtt_port: port.default(8884).describe('MQTT over TLS: telemetry of hubs.'),
      https_port: port.default(8985).describe('HTTPS: telemetry batches and enrolment.'),
      ops_port: opsPort,
      freshness_ms: atLeast(100)
        .default(FRESHNESS_MS)
        .describe(
          'Longest time a batch waits before it is committed; six times that, but at most 60 s, when there are only signs of life.',
        ),
    })
    .prefault({}),
  jobs: z
    .strictObject({
      interval_ms: atLeast(1000).default(10_000).describe('How often the schedule looks for due work.'),
      threads: atLeast(1).default(1).describe('DuckDB threads of a task.'),
      metrics: z
        .string()
        .default('')
        .describe('Folder of metrics of your own, a `.sql` file each (docs/jobs.md); every process has the same.'),
      runner: z
        .enum(['process', 'kubernetes'])
        .default('process')
        .describe('Who calculates: the process itself, or pods of a Kubernetes Job for what is large (kubernetes.*).'),
      queue: redisUrl.describe(
        'Redis through which schedulers of one lake share the work (docs/jobs.md); with nothing, each works alone.',
      ),
      queue_ca_file: z.string().default('').describe("PEM of the CA that signed Redis's certificate."),
      queue_password_file: z
        .string()
        .default('')
        .describe('File that holds the password for Redis, in place of one in the URL.'),
      ops_port: opsPort,
    })
    .prefault({}),
  kubernetes: z
    .strictObject({
      namespace: z
        .string()
        .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "a namespace's name")
        .default('hearth')
        .describe('Namespace of the Jobs that metrics are calculated by.'),
      pod_template: z
        .string()
        .min(1, 'the name of a PodTemplate')
        .default('hearth-task')
        .describe('PodTemplate of that namespace that their pods are made from: image, resources, rights, volumes.'),
      parallelism: whole('a whole number from 1 to 1000', 1, 1000).default(8).describe('Pods of a Job at once.'),
      parts_max: whole('a whole number from 1 to 10000', 1, 10_000)
        .default(32)
        .describe('Parts that a run is cut into at most, each of them a pod.'),
      units_min: atLeast(1)
        .default(200)
        .describe('Hours of buckets that a run must have to be worth a Job; below that the process makes them itself.'),
      deadline_s: atLeast(10).default(3600).describe('How long a Job may take before it is given up, in seconds.'),
    })
    .prefault({}),
  spark: z
    .strictObject({
      command: z
        .string()
        .default('')
        .describe(
          "Command that starts Spark's SQL shell, as `spark-sql --master yarn`, for days of metrics that are large; with nothing, DuckDB makes them all.",
        ),
      metrics: z
        .string()
        .regex(/^(|[a-z_]+(,[a-z_]+)*)$/, 'nothing, or names of metrics: hub_hours,sessions')
        .default('')
        .describe('Metrics that it may make, as `hub_hours,sessions`; with nothing, all of them.'),
      from_mb: whole('a whole number from 0', 0, NUMBER_MAX)
        .default(4096)
        .describe('A day of a metric is large when the files that it is made from have so many MB.'),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      webhook_url: httpUrl.describe('Where changes of alerts on objectives are posted as JSON; with nothing, nowhere.'),
      webhook_secret_file: z
        .string()
        .default('')
        .describe('File that holds the secret by which these posts are signed; with nothing, they are not.'),
      alertmanager_url: httpUrl.describe('Alertmanager that is told of alerts on objectives, as `http://host:9093`.'),
      dashboards_url: httpUrl.describe(
        'Where people find the pages that alerts link to; with nothing, dashboards.host and dashboards.port.',
      ),
    })
    .prefault({}),
  upkeep: z
    .strictObject({
      compact_ms: atLeast(1000)
        .default(60_000)
        .describe('How often the jobs look for small files to join: those an hour old, or many of a partition.'),
      vacuum_ms: atLeast(60_000)
        .default(86_400_000)
        .describe('How often the jobs delete data files and log entries that are past their retention.'),
      retention_hours: whole('a whole number from 1 to 100000', 1, 100_000)
        .default(RETENTION_MS / 3_600_000)
        .describe('How far one can travel in time: data files that a version within this has are kept.'),
      log_retention_hours: whole('a whole number from 1 to 100000', 1, 100_000)
        .default(LOG_RETENTION_MS / 3_600_000)
        .describe('How long log entries are kept; at least retention_hours.'),
      closed_after_hours: whole('a whole number from 0 to 10000', 0, 10_000)
        .default(3)
        .describe('A day is joined as a whole so long after its end.'),
    })
    .prefault({}),
  retention: z
    .strictObject({
      events_days: whole('a whole number from 0 to 36500', 0, 36_500)
        .default(0)
        .describe(
          'Days that events are kept, by the day they happened on; with 0 for ever. Registry events always are.',
        ),
      metrics_days: whole('a whole number from 0 to 36500', 0, 36_500)
        .default(0)
        .describe('Days that hours of metrics are kept; with 0 for ever. They may outlive their events.'),
    })
    .prefault({}),
  dashboards: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address that the dashboards listen on.'),
      names: names.describe('Names by which people reach them beside host, as `name,name`: no other is answered.'),
      port: port.default(8990).describe('HTTP for people.'),
      ops_port: opsPort,
    })
    .prefault({}),
  hub: z.strictObject({ ops_port: opsPort }).prefault({}),
})

export type Config = z.infer<typeof configSchema>

/** The variable that sets a key: `relay.app_port` → `HEARTH_RELAY_APP_PORT`. */
export function variableOf(key: string): string {
  return `HEARTH_${key.replaceAll('.', '_').toUpperCase()}`
}

/** Every key as a path: ['fleet'], ['relay', 'host'], … */
export function configKeys(): readonly (readonly string[])[] {
  return describeConfig().map((row) => row.key)
}

export type ConfigRow = { readonly key: readonly string[]; readonly fallback: unknown; readonly meaning: string }

/** What docs/configuration.md is made of. */
export function describeConfig(): readonly ConfigRow[] {
  const defaults: Readonly<Record<string, unknown>> = configSchema.parse({})
  return Object.entries(configSchema.shape).flatMap(([section, schema]): ConfigRow[] => {
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema
    if (!(inner instanceof z.ZodObject))
      return [{ key: [section], fallback: defaults[section], meaning: schema.description ?? '' }]
    const sectionDefaults = defaults[section]
    return Object.entries(inner.shape).map(([name, field]) => ({
      key: [section, name],
      fallback: isSection(sectionDefaults) ? sectionDefaults[name] : undefined,
      meaning: field instanceof z.ZodType ? (field.description ?? '') : '',
    }))
  })
}

export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
