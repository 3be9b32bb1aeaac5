/** Programs for the JVM that development and tests run: jars by Maven, sources of ours compiled against them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { alone } from './alone.ts'
import { aptInstall } from './apt.ts'

const run = promisify(execFile)

/** Where a program of `infra/<name>/` has what it needs. */
export function javaCache(name: string): string {
  return join(import.meta.dirname, '../.cache', name)
}

/**
 * The class path of `infra/<name>/`: the jars of its pom.xml and its sources compiled, put into `.cache/<name>` when they
 * are missing or stale. Raises what could not be fetched or installed.
 */
export async function javaClassPath(name: string, sources: readonly string[] = []): Promise<string> {
  const [pom = '', ...files] = ['pom.xml', ...sources].map((file) => join(import.meta.dirname, name, file))
  const [jars, classes] = [join(javaCache(name), 'jars'), join(javaCache(name), 'classes')]
  const classPath = [...(files.length > 0 ? [classes] : []), join(jars, '*')].join(':')
  const hash = createHash('sha256')
  for (const file of [pom, ...files]) hash.update(await readFile(file))
  const wanted = hash.digest('hex')
  const marker = join(javaCache(name), 'provisioned')
  await need('java', 'default-jre-headless')
  const isThere = async () => (await readFile(marker, 'utf8').catch(() => '')) === wanted
  if (!(await isThere())) await alone(name, async () => (await isThere()) || (await provision()))
  return classPath

  async function provision(): Promise<void> {
    await need('mvn', 'maven')
    await rm(javaCache(name), { recursive: true, force: true })
    await mkdir(classes, { recursive: true })
    const copy = ['-B', '-q', '-ntp', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`]
    await run('mvn', [...copy, '-DincludeScope=runtime']).catch((error: unknown) => {
      throw new Error(`Maven could not fetch the jars of infra/${name}/pom.xml: ${String(error)}`, { cause: error })
    })
    if (files.length > 0) {
      await need('javac', 'default-jdk-headless')
      await run('javac', ['-cp', `${jars}/*`, '-d', classes, ...files], { env: withUtf8() })
    }
    await writeFile(marker, wanted)
  }
}

/** A command of this machine, installed from Debian's packages where it is absent and that is possible. */
async function need(command: string, debian: string): Promise<void> {
  const find = () =>
    run('sh', ['-c', `command -v ${command}`]).then(
      () => true,
      () => false,
    )
  await aptInstall(async () => ((await find()) ? [] : [debian]))
  if (!(await find())) throw new Error(`no ${command}: install the package ${debian} (Debian); Java 17 or 21 is needed`)
}

/** Java 17 takes the encoding of texts and file names from the locale, which a machine for tests may not have. */
function withUtf8(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C.UTF-8' }
}

/** A program that answers one JSON text a line with one JSON text a line, the first of them unasked. */
export type JavaProcess = {
  readonly pid: number
  readonly first: unknown
  /** One question at a time, in order. Raises what the program said when it ended instead. */
  ask(question: unknown): Promise<unknown>
  kill(): void
  [Symbol.asyncDispose](): Promise<void>
}

/** What the JVM itself has to say goes to stdout else, between the answers. */
const OWN_WORDS_TO_STDERR = ['-XX:+DisplayVMOutputToStderr']

/** Starts it; resolves with its first line. */
export async function startJava(
  cwd: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<JavaProcess> {
  const env = { ...withUtf8(), ...environment }
  const child = spawn('java', [...OWN_WORDS_TO_STDERR, ...words], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const orphan = () => void child.kill('SIGKILL')
  process.once('exit', orphan)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = tailOf(child)
  // One that ended is told by the line that does not come.
  child.stdin.on('error', () => undefined)
  const lineOf = async (): Promise<unknown> => {
    const line = await lines.next()
    if (line.done) throw new Error(`java ended without an answer; it said: ${said()}`)
    return JSON.parse(line.value)
  }
  const first = await lineOf()
  let last: Promise<unknown> = Promise.resolve()
  return {
    pid: child.pid ?? 0,
    first,
    ask(question) {
      const answer = last.then(() => {
        child.stdin.write(`${JSON.stringify(question)}\n`)
        return lineOf()
      })
      last = answer.catch(() => undefined)
      return answer
    },
    kill: orphan,
    async [Symbol.asyncDispose]() {
      process.removeListener('exit', orphan)
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
