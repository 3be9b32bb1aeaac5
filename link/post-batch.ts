import https from 'node:https'
import type { BatchAnswer } from '../contract/batch.ts'
import { Problem } from '../contract/problem.ts'
import type { ClientTls } from './mqtt-connection.ts'

/** Answers are a line of JSON; more than this is not ours. */
const ANSWER_MAX_BYTES = 64 * 1024

export type BatchPoster = {
  /**
   * Sends one batch. Raises `unavailable` (no answer: outcome unknown; busy: nothing was kept, `limit`), `unauthorized`.
   */
  post(bytes: Uint8Array, signal?: AbortSignal): Promise<BatchAnswer>
  close(): void
}

/** A client of `POST /v1/telemetry` that keeps its connections. `tls` is read at each request; `url` is the server's, `https://host:port`. */
export function batchPoster(options: {
  readonly url: string
  readonly token?: string
  readonly tls: Partial<ClientTls>
  readonly connections_max?: number
}): BatchPoster {
  const agent = new https.Agent({
    keepAlive: true,
    maxSockets: options.connections_max ?? 4,
    minVersion: 'TLSv1.3',
  })
  return {
    post: (bytes, signal) => postBatch({ ...options, agent, bytes, ...(signal ? { signal } : {}) }),
    close: () => agent.destroy(),
  }
}

/** Sends one batch over HTTPS; see `BatchPoster.post`. */
export async function postBatch(options: {
  readonly url: string
  readonly bytes: Uint8Array
  readonly token?: string
  readonly tls?: Partial<ClientTls>
  readonly agent?: https.Agent
  readonly signal?: AbortSignal
}): Promise<BatchAnswer> {
  const { status, body } = await request(options)
  if (status === 200) return { kind: 'durable' }
  const reason = reasonOf(body)
  if (status === 422 || status === 413) return { kind: 'refused', reason: reason ?? `refused with ${status}` }
  if (status === 429) throw new Problem('limit', `the server is busy${reason ? `: ${reason}` : ''}; send again later`)
  if (status === 401 || status === 403) {
    throw new Problem('unauthorized', `the server turned us away with ${status}${reason ? `: ${reason}` : ''}`)
  }
  throw new Problem('unavailable', `the server answered ${status}${reason ? `: ${reason}` : ''}`, {
    outcome: 'unknown',
  })
}

function request(options: Parameters<typeof postBatch>[0]): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(
        new Problem('unavailable', `no answer from ${options.url}: ${error.message}`, {
          outcome: 'unknown',
          cause: error,
        }),
      )
    const sent = https.request(
      new URL('/v1/telemetry', options.url),
      {
        method: 'POST',
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': options.bytes.byteLength,
          ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
        },
        ...(options.agent ? { agent: options.agent } : { minVersion: 'TLSv1.3' }),
        ...options.tls,
        ...(options.signal ? { signal: options.signal } : {}),
      },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8')
        answer.on('data', (text: string) => {
          body += text
          if (body.length > ANSWER_MAX_BYTES) answer.destroy(new Error('the answer is too long'))
        })
        answer.on('error', fail)
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      },
    )
    sent.on('error', fail)
    sent.end(options.bytes)
  })
}

function reasonOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null) return undefined
    if ('refused' in value && typeof value.refused === 'string') return value.refused
    return 'error' in value && typeof value.error === 'string' ? value.error : undefined
  } catch {
    return undefined
  }
}
