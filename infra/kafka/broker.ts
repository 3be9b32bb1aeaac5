import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { listens } from '../ports.ts'

const run = promisify(execFile)
const START_MAX_MS = 120_000
const LOG4J = join(import.meta.dirname, 'log4j2.yaml')
const HEAP = ['-Xms96m', '-Xmx384m', '-XX:+UseSerialGC']
/** Half the CPU of a start, of which most brokers here do little more. */
const QUICK = '-XX:TieredStopAtLevel=1'

/** One process that is a broker and a controller, on ports and in a folder that it keeps through restarts. */
export type KafkaBroker = {
  readonly id: number
  /** Port of the PLAINTEXT listener itself, whatever is advertised. */
  readonly port: number
  pid(): number | undefined
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: it answers nothing, and its connections stay open. */
  pause(): void
  resume(): void
  /** Starts it again after `kill`, and resolves when it listens. */
  restart(): Promise<void>
}

export type BrokerFiles = {
  readonly classPath: string
  readonly folder: string
  readonly properties: string
  /** Compiled for a long life, as in production. */
  readonly optimised: boolean
}

/** Formats the storage of a broker that never ran. */
export async function formatBroker(files: BrokerFiles, cluster: string, more: readonly string[]): Promise<void> {
  await mkdir(files.folder, { recursive: true })
  const properties = join(files.folder, 'server.properties')
  await writeFile(properties, files.properties)
  // With the sign: an id may begin with a hyphen.
  const format = ['kafka.tools.StorageTool', 'format', `--cluster-id=${cluster}`, '-c', properties, ...more]
  await run('java', ['-Xmx128m', QUICK, '-cp', files.classPath, ...format])
}

/** A broker that is not running yet: `restart` starts it. */
export function kafkaBroker(files: BrokerFiles, id: number, port: number): KafkaBroker {
  let child: ChildProcess | undefined
  const ended = (one: ChildProcess) =>
    one.exitCode !== null || one.signalCode !== null
      ? Promise.resolve()
      : new Promise<void>((resolve) => one.once('exit', () => resolve()))
  const signal = (name: NodeJS.Signals) => void child?.kill(name)
  return {
    id,
    port,
    pid: () => child?.pid,
    async kill() {
      const one = child
      child = undefined
      one?.kill('SIGKILL')
      if (one) await ended(one)
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async restart() {
      const options = [
        ...HEAP,
        ...(files.optimised ? [] : [QUICK]),
        '-cp',
        files.classPath,
        `-Dlog4j2.configurationFile=${LOG4J}`,
      ]
      const one = spawn('java', [...options, 'kafka.Kafka', join(files.folder, 'server.properties')], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const log = createWriteStream(join(files.folder, 'broker.log'), { flags: 'a' })
      one.stdout.pipe(log, { end: false })
      one.stderr.pipe(log, { end: false })
      one.once('exit', () => log.end())
      child = one
      const over = AbortSignal.timeout(START_MAX_MS)
      while (!(await listens(port))) {
        if (over.aborted || one.exitCode !== null) {
          one.kill('SIGKILL')
          const lines = (await readFile(join(files.folder, 'broker.log'), 'utf8')).trim().split('\n')
          throw new Error(`the broker ${id} did not start:\n${lines.slice(-20).join('\n')}`)
        }
        await pause(50)
      }
    },
  }
}
