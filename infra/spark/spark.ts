import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../../.cache/spark')
const POM = join(import.meta.dirname, 'pom.xml')
const SESSION = join(import.meta.dirname, 'Session.java')
const JARS = join(CACHE, 'jars')
const CLASSES = join(CACHE, 'classes')

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
  await provision()
  const conf = Object.entries({ ...SETTINGS, ...settings }).map(([key, value]) => `${key}=${value}`)
  const java = [
    '-Xmx1g',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Duser.timezone=UTC',
    `-Dderby.system.home=${CACHE}`,
    ...OPENED,
  ]
  const child = spawn('java', [...java, '-cp', `${CLASSES}:${JARS}/*`, 'Session', ...conf], {
    cwd: CACHE,
    env: { ...process.env, SPARK_LOCAL_IP: '127.0.0.1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = tailOf(child)
  const next = async (): Promise<Line> => {
    const line = await answers.next()
    if (line.done) throw new Error(`Spark ended without an answer; it said: ${said()}`)
    return JSON.parse(line.value)
  }
  const { ready } = await next()
  let last: Promise<unknown> = Promise.resolve()

  async function ask(text: string): Promise<SparkAnswer> {
    child.stdin.write(`${JSON.stringify(text)}\n`)
    const { error, columns = [], types = [], rows = [] } = await next()
    if (error !== undefined) throw new Error(error)
    return { columns, types, rows }
  }

  return {
    version: ready ?? '',
    sql(text) {
      // One question at a time, in order.
      const answer = last.then(() => ask(text))
      last = answer.catch(() => undefined)
      return answer
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}

/** The end of what a process said on stderr. */
function tailOf(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (part: Buffer) => {
    text = (text + part.toString()).slice(-4000)
  })
  return () => text
}

/** Puts jars and the compiled session into `.cache/spark`; instant when they are those of pom.xml and Session.java. */
async function provision(): Promise<void> {
  const wanted = createHash('sha256')
    .update(await readFile(POM))
    .update(await readFile(SESSION))
    .digest('hex')
  const marker = join(CACHE, 'provisioned')
  if ((await readFile(marker, 'utf8').catch(() => '')) === wanted) return
  await need('javac', 'default-jdk-headless')
  await need('mvn', 'maven')
  await rm(CACHE, { recursive: true, force: true })
  await mkdir(CLASSES, { recursive: true })
  const copy = ['-B', '-q', '-ntp', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${JARS}`]
  await run('mvn', [...copy, '-DincludeScope=runtime']).catch((error: unknown) => {
    throw new Error(`Maven could not fetch Spark's jars (infra/spark/pom.xml): ${String(error)}`, { cause: error })
  })
  await run('javac', ['-cp', `${JARS}/*`, '-d', CLASSES, SESSION])
  await writeFile(marker, wanted)
}

/** Installs a Debian package unless its command is there. Raises what to install by hand where that cannot be. */
async function need(command: string, debian: string): Promise<void> {
  const there = () =>
    run(command, ['-version']).then(
      () => true,
      () => false,
    )
  if (await there()) return
  await run('sh', ['-c', `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${debian}`]).catch(
    () => {},
  )
  if (!(await there()))
    throw new Error(`no ${command}: install the package ${debian} (Debian); Spark needs Java 17 or 21`)
}
