import { createServer } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Clock } from '../../contract/clock.ts'
import { TELL_TIMEOUT_MS } from './limits.ts'
import type { Notification } from './notification.ts'
import { openWebhook, signatureOf } from './webhook.ts'

const NOW_MS = Date.UTC(2026, 10, 20)
/** Waits between tries pass at once, the time for an answer never. */
const clock: Clock = {
  now: () => NOW_MS,
  monotonic: () => 0,
  timer: (delay_ms, callback) => {
    if (delay_ms < TELL_TIMEOUT_MS) setImmediate(callback)
    return () => undefined
  },
}
const { signal } = new AbortController()
const taken: { readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }[] = []
/** What the server answers, one after the other; 200 after that. */
let answers: number[] = []
const server = createServer((request, response) => {
  let body = ''
  request.on('data', (part: Buffer) => (body += part.toString()))
  request.on('end', () => {
    const status = answers.shift() ?? 200
    if (status === 200) taken.push({ headers: request.headers, body })
    response.writeHead(status).end('said')
  })
})
let url = ''

beforeEach(async () => {
  taken.length = 0
  answers = []
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

const one: Notification = {
  ...{ id: 'test/o/page/1', fleet: 'test', objective: 'o', severity: 'page', state: 'firing', previous: 'ok' },
  ...{ time_ms: NOW_MS, started_ms: NOW_MS, summary: 'o burns', threshold: 14.4, burns: [], behind: [] },
  links: { commands: 'c', rows: 'r', fleet: 'f' },
}

const tell = (secret?: string) => openWebhook({ url, secret, clock }).tell([one], signal)

test('a change is one POST, signed where there is a secret', async () => {
  await tell('of both')
  const [{ headers, body } = { headers: {}, body: '' }] = taken
  expect(JSON.parse(body)).toMatchObject({ version: 1, id: one.id, state: 'firing', time: '2026-11-20T00:00:00.000Z' })
  expect(headers).toMatchObject({ 'x-hearth-id': one.id, 'x-hearth-signature': signatureOf('of both', body) })
  await tell()
  expect(taken[1]?.headers['x-hearth-signature']).toBeUndefined()
})

test('what a server in trouble did not take comes again', async () => {
  answers = [503, 429]
  await tell()
  expect(taken).toHaveLength(1)
})

test('what it does not want does not', async () => {
  answers = [400]
  await expect(tell()).rejects.toMatchObject({ kind: 'invalid', message: 'the webhook answered 400: said' })
  expect(taken).toHaveLength(0)
})

test('nobody there is a fault that says so, and not where', async () => {
  await new Promise((resolve) => server.close(resolve))
  const fault: unknown = await tell().catch((error: unknown) => error)
  expect(fault).toMatchObject({ kind: 'unavailable' })
  expect(String(fault)).not.toContain('/hook')
})
