/** The thread that owns the log's file, so that a sync to disk never stops the gateway's event loop. */
import { workerData } from 'node:worker_threads'
import { z } from 'zod'
import type { LogQuestion } from './sqlite-log.ts'
import { type LogFile, openLogFile } from './sqlite-log-file.ts'
import { serveThread } from './thread.ts'

const options = z.object({ path: z.string(), buckets: z.number().int(), id: z.string() }).parse(workerData)

serveThread(() => {
  const file = openLogFile(options.path, options)
  return {
    opened: file.id,
    answer: (question) => run(file, question as LogQuestion),
    transfer: buffersOf,
    close: () => file.close(),
  }
})

function run(file: LogFile, question: LogQuestion): unknown {
  switch (question.kind) {
    case 'append':
      return file.append(question.entries)
    case 'read':
      return file.read(question.bucket, question.from, question.maxBytes)
    case 'trim':
      return file.trim(question.bucket, question.to, question.limit)
    case 'bounds':
      return file.bounds(question.bucket)
    case 'mint':
      return file.mintAnew(question.id)
  }
}

/** Payloads that were read. */
function buffersOf(result: unknown): ArrayBuffer[] {
  if (!Array.isArray(result)) return []
  return result.map((entry) => entry?.value?.buffer).filter((buffer) => buffer instanceof ArrayBuffer)
}
