import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Clock, sleep } from '../contract/clock.ts'
import { assert, Problem } from '../contract/problem.ts'
import { keepLine, lastWords, readLogLine } from './last-words.ts'
import { LINE_MAX_CHARACTERS } from './limits.ts'
import { logPrettifier } from './log.ts'

/** One process of the tree. */
export type ProcessSpec = {
  readonly name: string
  /** Words after `hearth`. */
  readonly words: readonly string[]
  /** Of V8. */
  readonly flags?: readonly string[]
  /** Hears what it says over the channel beside that it serves. */
  readonly told?: (fact: object) => void
}

export type Supervisor = {
  /** Starts a process and resolves when it says that it serves; raises `unavailable` when it ends before that. */
  start(spec: ProcessSpec): Promise<void>
  /** SIGTERM to all, newest first, and waits; after the limit SIGKILL. */
  stop(): Promise<void>
}

type Child = { readonly spec: ProcessSpec; process: ChildProcess | undefined; restart: Promise<void> | undefined }

const BACK_OFF_FIRST_MS = 500
const BACK_OFF_MAX_MS = 10_000
/** A process that served this long was well: the next back-off begins anew. */
const STABLE_MS = 60_000
const READY_LIMIT_MS = 60_000
const DRAIN_LIMIT_MS = 30_000
/** A drain that takes longer than this is said, so that nobody thinks it hangs. */
const DRAIN_TOLD_MS = 5_000
const LAST_WORDS_LIMIT_MS = 500

/** Keeps a tree of `hearth` processes alive: each that ends by itself is started again, with back-off, and it is said. */
export function createSupervisor(options: {
  readonly clock: Clock
  readonly environment: NodeJS.ProcessEnv
  readonly note: (line: string) => void
  /** Also passes on what the processes say; else only that one ended, and why. */
  readonly verbose: boolean
  readonly colours: boolean
}): Supervisor {
  const { clock, environment, note, verbose } = options
  const prettify = logPrettifier(options.colours)
  const children: Child[] = []
  const stopping = new AbortController()

  /** Spawns once; resolves `ready` when it serves and `ended` when it is over. */
  function launch(spec: ProcessSpec) {
    const script = fileURLToPath(new URL('./hearth.js', entryFolder()))
    const child = spawn(process.execPath, [...(spec.flags ?? []), script, ...spec.words], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const lines: string[] = []
    for (const stream of [child.stdout, child.stderr]) {
      assert(stream, 'a spawned process has pipes')
      createInterface({ input: stream }).on('line', (line) => {
        keepLine(lines, line)
        if (verbose)
          note(readLogLine(line) ? prettify(line).trimEnd() : `${spec.name}: ${line.slice(0, LINE_MAX_CHARACTERS)}`)
      })
    }
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (code, signal) => {
        // A killed process did not say why; the last words of any other may still be in the pipe, which a child of its
        // own may hold open.
        const tell = () => resolve(signal ?? lastWords(lines) ?? `exit code ${code}`)
        const cancel = clock.timer(LAST_WORDS_LIMIT_MS, tell)
        child.once('close', () => {
          cancel()
          tell()
        })
      })
    })
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message) => {
        if (typeof message !== 'object' || message === null) return
        if ('ready' in message) resolve()
        else spec.told?.(message)
      })
    })
    return { child, ready, ended }
  }

  async function start(spec: ProcessSpec): Promise<void> {
    const entry: Child = { spec, process: undefined, restart: undefined }
    children.push(entry)
    const { child, ready, ended } = launch(spec)
    entry.process = child
    const timeout = new AbortController()
    const outcome = await Promise.race([
      ready.then(() => 'ready' as const),
      ended,
      sleep(clock, READY_LIMIT_MS, AbortSignal.any([timeout.signal, stopping.signal])).then(
        () => `not ready after ${READY_LIMIT_MS / 1000} s`,
        () => 'stopped',
      ),
    ])
    timeout.abort()
    if (outcome !== 'ready') {
      child.kill('SIGKILL')
      throw new Problem('unavailable', `${spec.name} did not start: ${outcome}`)
    }
    entry.restart = keepAlive(entry, ended)
  }

  async function keepAlive(entry: Child, firstEnd: Promise<string>): Promise<void> {
    let ended = firstEnd
    let delay_ms = BACK_OFF_FIRST_MS
    let ready_ms = clock.monotonic()
    for (;;) {
      const how = await ended
      if (stopping.signal.aborted) return
      if (clock.monotonic() - ready_ms > STABLE_MS) delay_ms = BACK_OFF_FIRST_MS
      note(`${entry.spec.name} ended (${how}); starting it again in ${delay_ms / 1000} s`)
      try {
        await sleep(clock, delay_ms, stopping.signal)
      } catch {
        return // asked to stop while waiting
      }
      delay_ms = Math.min(BACK_OFF_MAX_MS, delay_ms * 2)
      const next = launch(entry.spec)
      ready_ms = Number.POSITIVE_INFINITY
      entry.process = next.child
      ended = next.ended
      const cancel = clock.timer(READY_LIMIT_MS, () => {
        note(`${entry.spec.name} is not ready after ${READY_LIMIT_MS / 1000} s; ending it`)
        next.child.kill('SIGKILL')
      })
      void next.ended.then(cancel)
      void next.ready.then(() => {
        cancel()
        ready_ms = clock.monotonic()
        note(`${entry.spec.name} is back`)
      })
    }
  }

  async function stop(): Promise<void> {
    stopping.abort()
    for (const entry of children.toReversed()) {
      const child = entry.process
      if (!child || child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.kill('SIGTERM')
      const cancel = clock.timer(DRAIN_LIMIT_MS, () => {
        note(`${entry.spec.name} did not drain within ${DRAIN_LIMIT_MS / 1000} s; ending it`)
        child.kill('SIGKILL')
      })
      const cancelWords = clock.timer(DRAIN_TOLD_MS, () => note(`${entry.spec.name} is still finishing what it has`))
      await ended
      cancel()
      cancelWords()
    }
    for (const entry of children) await entry.restart
  }

  return { start, stop }
}

/** `cli/` of the checkout, or of the package when this file is the emitted one under `dist/cli/`. */
function entryFolder(): URL {
  return import.meta.url.endsWith('.ts') ? new URL('./', import.meta.url) : new URL('../../cli/', import.meta.url)
}
