import { type ChildProcess, fork } from 'node:child_process'
import type { Clock } from '../contract/clock.ts'
import { assert, Problem, type ProblemKind } from '../contract/problem.ts'
import type { ExplainAnswer, StandingLook } from './jobs-api.ts'
import type { TableLook, VersionLook } from './lake-api.ts'
import {
  CANCEL_GRACE_MS,
  CHILD_RESTART_MAX_MS,
  CHILD_RESTART_MIN_MS,
  CHILD_START_MAX_MS,
  QUERIES_RUNNING_MAX,
  QUERIES_WAITING_MAX,
  QUERY_TIME_MAX_MS,
  SCHEMA_KEPT_MS,
} from './limits.ts'
import type {
  ExplainOrder,
  FromChild,
  Queries,
  QueryAnswer,
  SchemaAnswer,
  ToChild,
  VersionsOrder,
} from './query-protocol.ts'

/** How the child is started: a module that ends in `serveQueries`, and what it is told. */
export type ChildProgram = {
  readonly module: string
  readonly arguments: readonly string[]
  /** Time that a query may take; QUERY_TIME_MAX_MS when absent. */
  readonly time_max_ms?: number
}

type Waiting = {
  readonly message: (id: number) => Exclude<ToChild, { type: 'cancel' }>
  settle(result: FromChild): void
  fail(problem: Problem): void
  readonly ended: () => boolean
  id: number | undefined
}

/** Starts the child, starts it again when it dies, and gives each query its place in it. */
export function openQueries(options: {
  readonly program: ChildProgram
  readonly clock: Clock
  readonly note: (text: string) => void
}): Queries {
  return new QueryChild(options)
}

class QueryChild implements Queries {
  readonly #program: ChildProgram
  readonly #clock: Clock
  readonly #note: (text: string) => void
  readonly #running = new Map<number, Waiting>()
  #waiting: Waiting[] = []
  #child: ChildProcess | undefined
  #ready = false
  #closed = false
  #restarts = 0
  #delay_ms = CHILD_RESTART_MIN_MS
  #next = 1
  #schema: { readonly at: number; readonly answer: SchemaAnswer } | undefined
  #cancelTimer: (() => void) | undefined

  constructor(options: {
    readonly program: ChildProgram
    readonly clock: Clock
    readonly note: (text: string) => void
  }) {
    this.#program = options.program
    this.#clock = options.clock
    this.#note = options.note
    this.#start()
  }

  async run(order: { readonly sql: string; readonly max_rows: number }, signal: AbortSignal): Promise<QueryAnswer> {
    const result = await this.#ask((id) => ({ type: 'run', id, order }), signal)
    assert(result.type === 'answer', 'a run is answered by an answer')
    return result.answer
  }

  async schema(signal: AbortSignal): Promise<SchemaAnswer> {
    const kept = this.#schema
    if (kept && this.#clock.monotonic() - kept.at < SCHEMA_KEPT_MS) return kept.answer
    const result = await this.#ask((id) => ({ type: 'schema', id }), signal)
    assert(result.type === 'schema', 'a question for the schema is answered by one')
    this.#schema = { at: this.#clock.monotonic(), answer: result.schema }
    return result.schema
  }

  async tables(signal: AbortSignal): Promise<readonly TableLook[]> {
    const result = await this.#ask((id) => ({ type: 'tables', id }), signal)
    assert(result.type === 'tables', 'a question for the tables is answered by them')
    return result.tables
  }

  async versions(order: VersionsOrder, signal: AbortSignal): Promise<readonly VersionLook[]> {
    const result = await this.#ask((id) => ({ type: 'versions', id, order }), signal)
    assert(result.type === 'versions', 'a question for versions is answered by them')
    return result.versions
  }

  async standing(signal: AbortSignal): Promise<StandingLook> {
    const result = await this.#ask((id) => ({ type: 'standing', id }), signal)
    assert(result.type === 'standing', 'a question for what stands is answered by it')
    return result.standing
  }

  async explain(order: ExplainOrder, signal: AbortSignal): Promise<ExplainAnswer> {
    const result = await this.#ask((id) => ({ type: 'explain', id, order }), signal)
    assert(result.type === 'explained', 'a question for an hour is answered by what explains it')
    return result.explained
  }

  ready(): boolean {
    return this.#ready
  }

  load(): { readonly running: number; readonly waiting: number; readonly restarts: number } {
    return { running: this.#running.size, waiting: this.#waiting.length, restarts: this.#restarts }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    this.#failAll('closed', 'the dashboards are closing')
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await gone
  }

  #ask(message: Waiting['message'], signal: AbortSignal): Promise<FromChild> {
    if (this.#closed) return Promise.reject(new Problem('closed', 'the dashboards are closing'))
    if (signal.aborted) return Promise.reject(new Problem('closed', 'the query was cancelled'))
    if (this.#waiting.length >= QUERIES_WAITING_MAX) {
      const text = `${QUERIES_WAITING_MAX} queries are waiting already; try again in a moment`
      return Promise.reject(new Problem('limit', text))
    }
    return new Promise((resolve, reject) => {
      let ended = false
      const end = () => {
        ended = true
        stopClock()
        signal.removeEventListener('abort', cancel)
      }
      const waiting: Waiting = {
        message,
        id: undefined,
        ended: () => ended,
        settle: (result) => {
          end()
          resolve(result)
        },
        fail: (problem) => {
          end()
          reject(problem)
        },
      }
      const stop = (kind: ProblemKind, text: string) => {
        const id = waiting.id
        if (id === undefined) this.#waiting = this.#waiting.filter((other) => other !== waiting)
        else this.#cancel(id)
        waiting.fail(new Problem(kind, text))
      }
      const cancel = () => stop('closed', 'the query was cancelled')
      const time_max_ms = this.#program.time_max_ms ?? QUERY_TIME_MAX_MS
      const stopClock = this.#clock.timer(time_max_ms, () =>
        stop('limit', `the query took longer than ${time_max_ms / 1000} s; narrow its dates, or ask for less`),
      )
      signal.addEventListener('abort', cancel, { once: true })
      this.#waiting.push(waiting)
      this.#feed()
    })
  }

  /** Tells the child to stop one; a child that does not within the grace is killed, and everything in it fails. */
  #cancel(id: number): void {
    const child = this.#child
    this.#send({ type: 'cancel', id })
    this.#clock.timer(CANCEL_GRACE_MS, () => {
      if (this.#running.has(id) && child === this.#child) {
        this.#note('a cancelled query did not stop: killing the query process')
        child?.kill('SIGKILL')
      }
    })
  }

  #feed(): void {
    while (this.#ready && this.#running.size < QUERIES_RUNNING_MAX) {
      const waiting = this.#waiting.shift()
      if (!waiting) return
      const id = this.#next++
      waiting.id = id
      this.#running.set(id, waiting)
      this.#send(waiting.message(id))
    }
  }

  #send(message: ToChild): void {
    if (this.#child?.connected) this.#child.send(message)
  }

  #start(): void {
    const child = fork(this.#program.module, [...this.#program.arguments], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    const tooSlow = this.#clock.timer(CHILD_START_MAX_MS, () => child.kill('SIGKILL'))
    child.on('message', (message: FromChild) => {
      if (message.type === 'ready') {
        tooSlow()
        this.#ready = true
        this.#feed()
        return
      }
      this.#delay_ms = CHILD_RESTART_MIN_MS
      const waiting = this.#running.get(message.id)
      this.#running.delete(message.id)
      if (waiting && !waiting.ended()) {
        if (message.type === 'problem') waiting.fail(new Problem(message.kind, message.message))
        else waiting.settle(message)
      }
      this.#feed()
    })
    child.on('error', (error) => this.#note(`the query process could not be reached: ${error.message}`))
    child.once('exit', (code, signal) => {
      tooSlow()
      const served = this.#ready
      this.#ready = false
      if (this.#closed) return
      this.#restarts++
      const how = signal ?? `code ${code}`
      this.#note(`the query process ended (${how}); starting it again in ${this.#delay_ms} ms`)
      for (const [id, waiting] of this.#running) {
        this.#running.delete(id)
        if (!waiting.ended())
          waiting.fail(new Problem('unavailable', `the query process died (${how}), perhaps of memory; ask for less`))
      }
      // One that never served will hardly serve next time: those who wait are told rather than left waiting.
      if (!served) this.#failAll('unavailable', `the query process does not start (${how}); its log says why`)
      this.#cancelTimer = this.#clock.timer(this.#delay_ms, () => this.#start())
      this.#delay_ms = Math.min(this.#delay_ms * 2, CHILD_RESTART_MAX_MS)
    })
  }

  #failAll(kind: ProblemKind, text: string): void {
    const all = [...this.#running.values(), ...this.#waiting]
    this.#running.clear()
    this.#waiting = []
    for (const waiting of all) if (!waiting.ended()) waiting.fail(new Problem(kind, text))
  }
}
