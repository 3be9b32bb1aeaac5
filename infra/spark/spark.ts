import { join } from 'node:path'
import { type JavaProcess, javaCache, javaClassPath, startJava } from '../java.ts'

const CACHE = javaCache('spark')

/** What Spark reaches into, and Java closes since 17 (org.apache.spark.launcher.JavaModuleOptions). */
const OPENED = [
  ...['java.lang', 'java.lang.invoke', 'java.lang.reflect', 'java.io', 'java.net', 'java.nio', 'java.util'],
  ...['java.util.concurrent', 'java.util.concurrent.atomic', 'jdk.internal.ref', 'sun.nio.ch', 'sun.nio.cs'],
  ...['sun.security.action', 'sun.util.calendar'],
].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`)

/** A session that reads and writes Delta tables by path: delta.`/path`. Times are UTC. */
const SETTINGS: Readonly<Record<string, string>> = {
  'spark.master': 'local[2]',
  'spark.driver.host': '127.0.0.1',
  'spark.driver.bindAddress': '127.0.0.1',
  'spark.ui.enabled': 'false',
  'spark.sql.session.timeZone': 'UTC',
  'spark.sql.datetime.java8API.enabled': 'true',
  'spark.sql.shuffle.partitions': '2',
  'spark.sql.sources.parallelPartitionDiscovery.parallelism': '2',
  'spark.databricks.delta.snapshotPartitions': '2',
  'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
  'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
  'spark.sql.catalogImplementation': 'in-memory',
  'spark.sql.warehouse.dir': join(CACHE, 'warehouse'),
}

export type SparkAnswer = {
  readonly columns: readonly string[]
  /** As Spark writes them: `BIGINT`, `DECIMAL(10,2)`. */
  readonly types: readonly string[]
  /** JSON values; microseconds as `us:…`, dates as `day:…` since 1970, decimals, long whole numbers and NaN as text. */
  readonly rows: readonly (readonly unknown[])[]
}

/** A line that Session.java writes. */
type Line = Partial<SparkAnswer> & { readonly ready?: string; readonly error?: string }

export type Spark = {
  readonly version: string
  /** Raises what Spark says of a statement that it does not accept. */
  sql(text: string): Promise<SparkAnswer>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one Spark process, provisioned into `.cache/` when it is missing or stale. `settings` come on top of the usual ones. */
export async function openSpark(settings: Readonly<Record<string, string>> = {}): Promise<Spark> {
  // Of the 48 MB of code that the quick compiler alone may make, a session of many queries needs more.
  const machine = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:ReservedCodeCacheSize=256m']
  const child = await startSpark('Session', machine, settings)
  const { ready = '' } = child.first as Line
  return {
    version: ready,
    async sql(text) {
      const { error, columns = [], types = [], rows = [] } = (await child.ask(text)) as Line
      if (error !== undefined) throw new Error(error)
      return { columns, types, rows }
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

/** One of the programs beside this file, with these settings on top of the usual ones. */
export async function startSpark(
  program: 'Session' | 'Stream',
  java: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<JavaProcess> {
  const classPath = await javaClassPath('spark', ['Session.java', 'Stream.java'])
  const options = [...java, '-Duser.timezone=UTC', `-Dderby.system.home=${CACHE}`, ...OPENED]
  const conf = Object.entries({ ...SETTINGS, ...settings }).map(([key, value]) => `${key}=${value}`)
  return await startJava(CACHE, [...options, '-cp', classPath, program, ...conf], { SPARK_LOCAL_IP: '127.0.0.1' })
}
