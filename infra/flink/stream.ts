import { javaCache, javaClassPath, startJava } from '../java.ts'
import { columnList, type StreamProcess, type StreamStore, type StreamTask, streamProcess } from '../stream.ts'

const TYPES = { text: 'STRING', integer: 'BIGINT', number: 'DOUBLE', map: 'MAP<STRING, STRING>' }
/** As often as an ingest writer commits: files end at a checkpoint. */
const CHECKPOINT = '5 s'
/** What Flink reaches into, and Java closes since 17 (its own config.yaml, env.java.opts.all). */
const OPENED = ['java.lang', 'java.net', 'java.io', 'java.nio', 'java.util', 'java.time', 'java.util.concurrent'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
)

/** Flink's SQL into Parquet files of a bucket, on two slots of one process, provisioned into `.cache/` when missing or stale. */
export async function startFlinkStream(store: StreamStore): Promise<StreamProcess> {
  const classPath = await javaClassPath('flink', ['Stream.java'])
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = store.environment
  const settings = Object.entries({
    'parallelism.default': '2',
    'taskmanager.numberOfTaskSlots': '2',
    'pipeline.object-reuse': 'true',
    'restart-strategy.type': 'none',
    'execution.checkpointing.interval': CHECKPOINT,
    'table.local-time-zone': 'UTC',
    's3.endpoint': store.endpoint,
    's3.endpoint.region': store.region,
    's3.path.style.access': 'true',
    // As newer versions of Hadoop do: to delete what stands for a folder, a store over a file system refuses.
    's3.directory.marker.retention': 'keep',
    's3.access-key': AWS_ACCESS_KEY_ID,
    's3.secret-key': AWS_SECRET_ACCESS_KEY,
  }).map(([key, value]) => `${key}=${value}`)
  const java = await startJava(javaCache('flink'), ['-Xmx2g', ...OPENED, '-cp', classPath, 'Stream', ...settings])
  return streamProcess(java, (task) => ({ statements: statementsOf(store, task) }))
}

function statementsOf({ bucket }: StreamStore, task: StreamTask): readonly string[] {
  const { bootstrap, topic, columns, folder } = task
  const kept = columns.filter(({ name }) => name !== 'event_ms')
  const names = kept.map(({ name }) => `\`${name}\``).join(', ')
  return [
    `CREATE TABLE messages (${columnList(columns, TYPES)}) WITH ('connector' = 'kafka', 'topic' = '${topic}',
      'properties.bootstrap.servers' = '${bootstrap}', 'scan.startup.mode' = 'earliest-offset',
      'scan.bounded.mode' = 'latest-offset', 'format' = 'json')`,
    `CREATE TABLE events (${columnList(kept, TYPES)}, event_time TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem',
      'path' = 's3://${bucket}/${folder}', 'format' = 'parquet', 'parquet.compression' = 'ZSTD')`,
    `INSERT INTO events SELECT ${names}, TO_TIMESTAMP_LTZ(event_ms, 3) FROM messages`,
  ]
}
