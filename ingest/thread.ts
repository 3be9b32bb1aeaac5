import { parentPort, Worker } from 'node:worker_threads'
import { assert, isProblem, messageOf, Problem, type ProblemKind, type ProblemOutcome } from '../contract/problem.ts'

/** A thread that answers questions, one after the other. */
export type Thread<Question> = {
  /** What it told when it was ready. */
  readonly opened: unknown
  /** Raises what the thread's work raised, with its kind and outcome; `internal` when the thread died, `closed` after. */
  ask(question: Question, transfer?: ArrayBuffer[]): Promise<unknown>
  /** Died or was closed: it answers no more. */
  ended(): boolean
  /** After the questions that it has. */
  close(): Promise<void>
}

/** `call` 0 is its opening, -1 its end. */
type Call = { readonly call: number; readonly question: unknown }
type Reply =
  | { readonly call: number; readonly ok: true; readonly result: unknown }
  | {
      readonly call: number
      readonly ok: false
      readonly kind: ProblemKind
      readonly outcome: ProblemOutcome
      readonly message: string
    }

/** Starts the module `name` beside `base` (an `import.meta.url`), which calls `serveThread`. `what` it is, for messages. */
export async function startThread<Question>(
  base: string,
  name: string,
  what: string,
  data: unknown,
): Promise<Thread<Question>> {
  // Run from the checkout it is a .ts file, from the package the .js that was made of it.
  const file = `./${name}${base.endsWith('.ts') ? '.ts' : '.js'}`
  const worker = new Worker(new URL(file, base), { workerData: data })
  const open = new Map<number, { resolve(result: unknown): void; reject(error: unknown): void }>()
  let next = 0
  let ended: Problem | undefined
  const end = (problem: Problem) => {
    ended ??= problem
    for (const call of open.values()) call.reject(ended)
    open.clear()
  }
  worker.on('message', (reply: Reply) => {
    const call = open.get(reply.call)
    open.delete(reply.call)
    if (reply.ok) call?.resolve(reply.result)
    else call?.reject(new Problem(reply.kind, reply.message, { outcome: reply.outcome }))
  })
  worker.on('error', (cause) =>
    end(new Problem('internal', `the thread of ${what} died: ${cause}`, { outcome: 'unknown', cause })),
  )
  let closing = false
  worker.on('exit', (code) =>
    end(
      closing
        ? new Problem('closed', `${what} is closed`)
        : new Problem('internal', `the thread of ${what} ended with ${code}`, { outcome: 'unknown' }),
    ),
  )
  const ask = (post: (call: number) => void, call = next++) =>
    new Promise<unknown>((resolve, reject) => {
      if (ended) {
        reject(ended)
        return
      }
      open.set(call, { resolve, reject })
      post(call)
    })
  const put = (question: unknown, transfer: ArrayBuffer[]) => (call: number) =>
    worker.postMessage({ call, question } satisfies Call, transfer)
  try {
    const opened = await ask(() => undefined)
    return {
      opened,
      ended: () => ended !== undefined,
      ask: (question, transfer = []) => ask(put(question, transfer)),
      async close() {
        if (ended) return
        closing = true
        await ask(put(undefined, []), -1)
        await worker.terminate()
      },
    }
  } catch (error) {
    await worker.terminate()
    throw error
  }
}

/** What a thread does: `answer` is called for one question at a time, `transfer` tells what of a result is handed over. */
export type Served = {
  readonly opened: unknown
  answer(question: unknown): unknown
  transfer?(result: unknown): ArrayBuffer[]
  close(): void
}

/** In the thread's own module: opens what it serves, and answers until it is closed. */
export function serveThread(open: () => Served): void {
  const port = parentPort
  assert(port, 'this module runs only as a thread')
  const post = (reply: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer)
  const fail = (call: number, error: unknown) => {
    const known = isProblem(error)
    const outcome = known ? error.outcome : 'unknown'
    post({ call, ok: false, kind: known ? error.kind : 'internal', outcome, message: messageOf(error) })
  }
  try {
    const served = open()
    let busy = Promise.resolve()
    const work = async ({ call, question }: Call) => {
      try {
        if (call === -1) served.close()
        const result = call === -1 ? undefined : await served.answer(question)
        post({ call, ok: true, result }, served.transfer?.(result))
      } catch (error) {
        fail(call, error)
      }
      if (call === -1) port.close()
    }
    port.on('message', (call: Call) => {
      busy = busy.then(() => work(call))
    })
    post({ call: 0, ok: true, result: served.opened })
  } catch (error) {
    fail(0, error)
  }
}
