/** The thread that turns lines into Parquet, so that none of it holds up the event loop that taps and answers go through. */
import { workerData } from 'node:worker_threads'
import { z } from 'zod'
import { assert } from '../contract/problem.ts'
import { beginAttempt, type EventAttempt } from './event-attempt.ts'
import type { EncodingQuestion } from './event-encoder.ts'
import { type EncodedEvents, openEventEncoding } from './event-encoding.ts'
import { openEventRows } from './event-rows.ts'
import { serveThread } from './thread.ts'

const { buckets } = z.object({ buckets: z.number().int() }).parse(workerData)
const rows = openEventRows()
const encode = openEventEncoding()
let attempt: EventAttempt | undefined

serveThread(() => ({
  opened: undefined,
  answer: (question) => run(question as EncodingQuestion),
  transfer: (result) => (isEncoded(result) ? result.files.map(({ bytes }) => bytes.buffer as ArrayBuffer) : []),
  close: () => undefined,
}))

function run(question: EncodingQuestion): unknown {
  if (question.kind === 'begin') {
    attempt = beginAttempt(rows, buckets, question.seed)
    return undefined
  }
  if (question.kind === 'end') {
    rows.clear(0)
    attempt = undefined
    return undefined
  }
  assert(attempt, 'an attempt is begun first')
  if (question.kind === 'add') {
    for (const { lines, ...batch } of question.batches)
      attempt.add({ ...batch, lines: Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength) })
    return undefined
  }
  return question.kind === 'subjects' ? attempt.subjects() : encode(attempt, question.options)
}

function isEncoded(result: unknown): result is EncodedEvents {
  return typeof result === 'object' && result !== null && 'files' in result
}
