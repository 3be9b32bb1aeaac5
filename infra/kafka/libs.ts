import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../../.cache/kafka')
const POM = join(import.meta.dirname, 'pom.xml')

/** The class path of Apache Kafka, fetched by Maven into `.cache/` when it is missing or stale. */
export async function kafkaClassPath(): Promise<string> {
  await need('java', 'openjdk-17-jre-headless')
  const libs = join(CACHE, 'libs')
  const marker = join(CACHE, 'pom.installed')
  const wanted = await readFile(POM, 'utf8')
  if ((await readFile(marker, 'utf8').catch(() => '')) !== wanted) {
    await need('mvn', 'maven')
    await rm(CACHE, { recursive: true, force: true })
    await mkdir(CACHE, { recursive: true })
    await copyFile(POM, join(CACHE, 'pom.xml'))
    const copy = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${libs}`]
    await run('mvn', ['-q', '-B', ...copy], { cwd: CACHE })
    await writeFile(marker, wanted)
  }
  return join(libs, '*')
}

/** A command of this machine, installed from Debian's packages where it is absent and that is possible. */
async function need(command: string, debian: string): Promise<void> {
  const find = () =>
    run('sh', ['-c', `command -v ${command}`]).then(
      () => true,
      () => false,
    )
  if (await find()) return
  await run('sh', ['-c', `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${debian}`]).catch(
    () => undefined,
  )
  if (!(await find())) throw new Error(`no ${command}: install the package ${debian} (Debian)`)
}
