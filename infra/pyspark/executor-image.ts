/** Spark's executors as an image for tests: this machine's Java and PyPI's Spark, over this machine's own libraries. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFile,
  cp,
  glob,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'
import { javaCache } from '../java.ts'
import { copyLibraries } from '../kubernetes/libraries.ts'
import { writeOciImage } from '../kubernetes/oci-image.ts'
import { sparkJars } from './spark-sql.ts'

const CACHE = javaCache('spark-executor')
export const EXECUTOR_IMAGE = 'localhost/spark-executor:1'
/** What no SELECT over files needs, and half of the bytes. */
const NOT_NEEDED =
  /^(breeze|datanucleus|derby|hive|kubernetes|netty-codec-native-quic|rocksdbjni|scala-compiler|spark-(connect|mllib)|spire)/
/** Of the start, and of Hadoop. */
const COMMANDS = ['chmod', 'df', 'env', 'id', 'ls', 'sed', 'sh']
const JAVA_WITHOUT = /\/(ct\.sym|jmods|legal|man|src\.zip)$/

/** Spark says in these variables what it starts an executor with. */
const START = `#!/bin/sh
cd /tmp
exec /opt/java/bin/java $(env | sed -n 's/^SPARK_JAVA_OPT_[0-9]*=//p') \\
  "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$SPARK_CONF_DIR:/opt/spark/*" \\
  org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \\
  --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \\
  --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \\
  --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
`

/** Its archive, made unless it is there: some seconds and 400 MB. Its name is EXECUTOR_IMAGE. */
export async function sparkExecutorImage(): Promise<string> {
  const jars = (await sparkJars()).filter((file) => !NOT_NEEDED.test(file.slice(file.lastIndexOf('/') + 1)))
  const hash = createHash('sha256')
    .update(jars.join('\n'))
    .update(await readFile(import.meta.filename))
  const file = join(CACHE, `${hash.digest('hex').slice(0, 16)}.tar`)
  const isThere = async () => (await readdir(CACHE).catch(() => [])).some((name) => join(CACHE, name) === file)
  if (!(await isThere())) await alone('spark-executor', async () => (await isThere()) || (await build(file, jars)))
  return file
}

async function build(file: string, jars: readonly string[]): Promise<void> {
  await rm(CACHE, { recursive: true, force: true })
  const root = join(CACHE, 'root')
  for (const folder of ['bin', 'etc', 'opt/spark']) await mkdir(join(root, folder), { recursive: true })
  const { stdout } = await promisify(execFile)('sh', ['-c', 'command -v java'])
  const java = dirname(dirname(await realpath(stdout.trim())))
  const filter = (path: string) => !JAVA_WITHOUT.test(path)
  await cp(java, join(root, 'opt/java'), { recursive: true, dereference: true, filter })
  const linked = [join(java, 'bin/java')]
  for await (const library of glob(join(java, 'lib/{server/libjvm,libnio,libzip,libnet,libextnet}.so')))
    linked.push(library)
  await copyLibraries(root, linked)
  // What libraries in jars are linked with.
  for await (const library of glob('/lib/*-linux-gnu/lib{pthread.so.0,dl.so.2,rt.so.1}'))
    await cp(library, join(root, library), { dereference: true })
  for (const jar of jars) await copyFile(jar, join(root, 'opt/spark', jar.slice(jar.lastIndexOf('/') + 1)))
  await copyFile('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of COMMANDS) await symlink('busybox', join(root, 'bin', name))
  await writeFile(join(root, 'etc/passwd'), 'spark:x:1000:1000:spark:/tmp:/sbin/nologin\n')
  await writeFile(join(root, 'start'), START, { mode: 0o755 })
  const building = `${file}.building`
  await writeOciImage(building, EXECUTOR_IMAGE, root, { Entrypoint: ['/start'], Env: ['PATH=/bin'], User: '1000' })
  await rm(root, { recursive: true })
  await rename(building, file)
}
