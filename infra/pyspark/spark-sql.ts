import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { javaCache, javaClassPath } from '../java.ts'
import { pythonOf } from '../python.ts'
import type { S3Server } from '../s3/server.ts'

type Settings = Readonly<Record<string, string>>

/**
 * The command that starts Spark's SQL shell on this machine, as an operator would write it down: of PyPI's Spark, since Maven
 * has all of Spark but this shell. With an S3 server it reaches that by S3A; `settings` come on top of the usual ones.
 */
export async function sparkSqlCommand(
  s3?: Pick<S3Server, 'endpoint' | 'region' | 'environment'>,
  settings: Settings = {},
): Promise<string> {
  const home = await sparkHome()
  const more = (await sparkJars()).filter((jar) => !jar.startsWith(home))
  const conf: Settings = {
    'spark.master': 'local[2]',
    'spark.ui.enabled': 'false',
    'spark.sql.shuffle.partitions': '2',
    'spark.driver.extraJavaOptions': '-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m',
    'spark.driver.host': '127.0.0.1',
    'spark.driver.bindAddress': '127.0.0.1',
    'spark.driver.extraClassPath': more.join(':'),
    ...(s3 && {
      'spark.hadoop.fs.s3a.endpoint': s3.endpoint,
      'spark.hadoop.fs.s3a.endpoint.region': s3.region,
      'spark.hadoop.fs.s3a.path.style.access': 'true',
      'spark.hadoop.fs.s3a.connection.ssl.enabled': 'false',
    }),
    ...settings,
  }
  const words = Object.entries(conf).map(([key, value]) => `--conf ${key}='${value}'`)
  return `env SPARK_HOME='${home}' SPARK_LOCAL_IP=127.0.0.1 '${home}/bin/spark-sql' --driver-memory 1g ${words.join(' ')}`
}

async function sparkHome(): Promise<string> {
  const python = await pythonOf('pyspark')
  const { stdout } = await promisify(execFile)(python, ['-c', 'import pyspark; print(pyspark.__path__[0])'])
  return stdout.trim()
}

/** Those of Spark, and of Delta and S3A beside it. */
export async function sparkJars(): Promise<readonly string[]> {
  const folder = join(await sparkHome(), 'jars')
  // Java itself, Delta and S3A.
  await javaClassPath('spark', ['Session.java', 'Stream.java'])
  const more = join(javaCache('spark'), 'jars')
  const own = (await readdir(folder)).filter((file) => file.endsWith('.jar'))
  const artifacts = new Set(own.map(artifactOf))
  const others = (await readdir(more)).filter((jar) => !artifacts.has(artifactOf(jar)))
  return [...own.map((jar) => join(folder, jar)), ...others.map((jar) => join(more, jar))].sort()
}

/** A jar's name without its version. */
function artifactOf(jar: string): string {
  return jar.replace(/-\d.*$/, '')
}
