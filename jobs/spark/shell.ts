import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Clock } from '../../contract/clock.ts'
import { Problem } from '../../contract/problem.ts'
import { SPARK_END_MS, SPARK_STEP_MAX_MS } from '../limits.ts'
import { SPARK_FUNCTIONS, SPARK_SETTINGS } from './dialect.ts'

/**
 * `spark-sql`, the SQL shell that each distribution of Spark has, as a process that goes on: it is told on standard input
 * which file of statements to run, and says on standard output how far it came (docs/decisions/077).
 */
export type SparkShell = {
  readonly pid: number | undefined
  /** Is the process there still? */
  readonly alive: boolean
  /**
   * Runs statements in order, up to the first that fails. Raises `unavailable` with what Spark said of that one, or when
   * the process ended; the signal's reason, and then the process is over as well.
   */
  run(statements: readonly string[], signal?: AbortSignal): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type SparkShellOptions = {
  /** For the machine's shell, as `spark-sql --master local[2]`. */
  readonly command: string
  /** Its working folder, which statements pass through; gone afterwards. */
  readonly folder: string
  readonly clock: Clock
}

/** No metastore: all that there is are views of the session. */
const OPTIONS = '-S --conf spark.sql.catalogImplementation=in-memory'
const SAID_MAX = 64_000
const TOLD_MAX = 2_000

/** Starts one and gets it ready for metrics. Raises what `run` raises. */
export async function openSparkShell(
  { command, folder, clock }: SparkShellOptions,
  signal?: AbortSignal,
): Promise<SparkShell> {
  await mkdir(folder, { recursive: true })
  const env = { LC_ALL: 'C.UTF-8', ...process.env }
  const child = spawn('sh', ['-c', `exec ${command} ${OPTIONS}`], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const orphan = () => void child.kill('SIGKILL')
  process.once('exit', orphan)
  // One that ended is told by the line that does not come.
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = listenTo(child)
  let count = 0

  /** Was the last of the file's statements reached? Undefined when the process ended. */
  async function outcome(index: number): Promise<boolean | undefined> {
    let done = false
    for (;;) {
      const line = await lines.next()
      if (line.done) return undefined
      if (line.value.includes(told('done', index))) done = true
      if (line.value.includes(told('over', index))) return done
    }
  }

  const shell: SparkShell = {
    pid: child.pid,
    get alive() {
      return child.exitCode === null && child.signalCode === null
    },
    async run(statements, signal) {
      signal?.throwIfAborted()
      const index = ++count
      const file = join(folder, `${index}.sql`)
      const kill = () => void child.kill()
      const cancel = clock.timer(SPARK_STEP_MAX_MS, kill)
      signal?.addEventListener('abort', kill, { once: true })
      said.clear()
      try {
        await writeFile(file, [...statements, tell('done', index)].map((statement) => `${statement};\n`).join(''))
        // A statement on standard input is echoed, with a cost that grows as the square of its length; one in a file is not.
        child.stdin.write(`SOURCE ${file};\n${tell('over', index)};\n`)
        const done = await outcome(index)
        // The end of what it says is heard before its own end is known, and what it said on standard error.
        if (done === undefined) await ended
        signal?.throwIfAborted()
        if (done === undefined)
          throw new Problem('unavailable', `Spark ended before it was done (${command}): ${said.last()}`)
        if (!done) throw new Problem('unavailable', `Spark could not run a statement: ${said.fault()}`)
      } finally {
        cancel()
        signal?.removeEventListener('abort', kill)
        await rm(file, { force: true })
      }
    },
    async [Symbol.asyncDispose]() {
      process.removeListener('exit', orphan)
      child.stdin.end()
      const cancel = clock.timer(SPARK_END_MS, orphan)
      await ended
      cancel()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await shell.run([...SPARK_SETTINGS, ...SPARK_FUNCTIONS], signal)
  } catch (error) {
    child.kill()
    await shell[Symbol.asyncDispose]()
    throw error
  }
  return shell
}

type Word = 'done' | 'over'

const told = (word: Word, index: number) => `hearth ${word} ${index}.`
/** A statement that has it told; its own text, which may be echoed, is another. */
const tell = (word: Word, index: number) => `SELECT 'hearth ' || '${word} ${index}.'`

/** The end of what a process says on standard error, since it was last cleared. */
function listenTo(child: ChildProcess) {
  let text = ''
  child.stderr?.on('data', (part: Buffer) => {
    text = (text + part.toString()).slice(-SAID_MAX)
  })
  return {
    clear() {
      text = ''
    },
    last: () => text.trim().slice(-TOLD_MAX),
    /** From the line on that has a name of an error, else the last exception's, without where in the code it happened. */
    fault() {
      const lines = text.split('\n').filter((line) => !/^\s+at |^\s*$|^Time taken/.test(line))
      const named = lines.findIndex((line) => /\[[A-Z][A-Z_]+(\.[A-Z_]+)*\] /.test(line))
      const at = named >= 0 ? named : lines.findLastIndex((line) => /(Exception|Error)\b/.test(line))
      return lines.slice(Math.max(at, 0)).join('\n').slice(0, TOLD_MAX)
    },
  }
}
