import { join } from 'node:path'
import { columnList, type StreamProcess, type StreamStore, streamProcess } from '../stream.ts'
import { startSpark } from './spark.ts'

const TYPES = { text: 'STRING', integer: 'BIGINT', number: 'DOUBLE', map: 'MAP<STRING, STRING>' }

/** Spark Structured Streaming into Delta tables of a bucket, zstd as we write it, its checkpoint in the scratch folder. */
export async function startSparkStream(store: StreamStore): Promise<StreamProcess> {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = store.environment
  const java = await startSpark('Stream', ['-Xmx2g'], {
    'spark.sql.parquet.compression.codec': 'zstd',
    'spark.hadoop.fs.s3a.endpoint': store.endpoint,
    'spark.hadoop.fs.s3a.endpoint.region': store.region,
    'spark.hadoop.fs.s3a.path.style.access': 'true',
    'spark.hadoop.fs.s3a.connection.ssl.enabled': 'false',
    'spark.hadoop.fs.s3a.access.key': AWS_ACCESS_KEY_ID,
    'spark.hadoop.fs.s3a.secret.key': AWS_SECRET_ACCESS_KEY,
  })
  return streamProcess(java, ({ bootstrap, topic, columns, folder, scratch_folder }) => ({
    ...{ bootstrap, topic, columns: columnList(columns, TYPES) },
    table: `s3a://${store.bucket}/${folder}`,
    checkpoint: join(scratch_folder, 'checkpoint'),
  }))
}
