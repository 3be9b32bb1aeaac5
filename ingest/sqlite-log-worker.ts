import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { assert, isProblem, messageOf } from '../contract/problem.ts'
import type { LogCall, LogReply } from './sqlite-log.ts'
import { type LogFile, openLogFile } from './sqlite-log-file.ts'

/** The thread that owns the log's file, so that a sync to disk never stops the gateway's event loop. */
const options = z.object({ path: z.string(), buckets: z.number().int(), id: z.string() }).parse(workerData)
const port = parentPort
assert(port, 'sqlite-log-worker.ts runs only as a worker thread')

const post = (reply: LogReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer)

try {
  const file = openLogFile(options.path, options)
  port.on('message', (call: LogCall) => {
    try {
      const result = run(file, call)
      post({ call: call.call, ok: true, result }, call.kind === 'read' ? buffersOf(result) : [])
    } catch (error) {
      fail(call.call, error)
    }
    if (call.kind === 'close') port.close()
  })
  post({ call: 0, ok: true, result: file.id })
} catch (error) {
  fail(0, error)
}

function run(file: LogFile, call: LogCall): unknown {
  if (call.kind === 'append') return file.append(call.entries)
  if (call.kind === 'read') return file.read(call.bucket, call.from, call.maxBytes)
  if (call.kind === 'trim') return file.trim(call.bucket, call.to, call.limit)
  if (call.kind === 'bounds') return file.bounds(call.bucket)
  if (call.kind === 'mint') file.mintAnew(call.id)
  else file.close()
  return undefined
}

function buffersOf(result: unknown): ArrayBuffer[] {
  if (!Array.isArray(result)) return []
  return result.map((entry) => entry.value.buffer).filter((buffer) => buffer instanceof ArrayBuffer)
}

function fail(call: number, error: unknown) {
  const known = isProblem(error)
  post({
    call,
    ok: false,
    kind: known ? error.kind : 'internal',
    outcome: known ? error.outcome : 'unknown',
    message: messageOf(error),
  })
}
