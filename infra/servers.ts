/** `npm run servers`: one broker of Kafka, an S3 and a Redis server on free ports, empty, until Ctrl-C; says how Hearth is told of them. */
import { once } from 'node:events'
import { startKafka } from './kafka/kafka.ts'
import { startRedis } from './redis/server.ts'
import { startS3 } from './s3/server.ts'

const [word] = process.argv.slice(2)
if (word !== undefined) {
  const asked = word === '--help' || word === '-h'
  const stream = asked ? process.stdout : process.stderr
  stream.write(`${asked ? '' : `unknown argument ${word}; it takes none but --help\n`}Usage: npm run servers

Starts a broker of Kafka, an S3 and a Redis server on free ports, empty, until Ctrl-C, and prints the variables by which Hearth is told of them.

Example:
  npm run --silent servers > /tmp/servers.env &   # then: . /tmp/servers.env; hearth up
`)
  process.exit(asked ? 0 : 2)
}

const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
process.stderr.write('starting them; the first time they are fetched and built\n')
await using s3 = await startS3()
await using redis = await startRedis()
await using kafka = await startKafka({ brokers: 1 })
const variables = {
  ...s3.environment,
  HEARTH_LAKE_URL: `s3://${s3.bucket}/fleet`,
  HEARTH_S3_ENDPOINT: s3.endpoint,
  HEARTH_S3_PATH_STYLE: 'true',
  HEARTH_KAFKA_BROKERS: kafka.bootstrap,
  HEARTH_KAFKA_REPLICATION: '1',
  HEARTH_KAFKA_MIN_INSYNC: '1',
  HEARTH_JOBS_QUEUE: redis.url,
}
for (const [name, value] of Object.entries(variables)) process.stdout.write(`export ${name}=${value}\n`)
process.stderr.write('these are there until Ctrl-C\n')
await ended
