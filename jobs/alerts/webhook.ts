import { createHmac } from 'node:crypto'
import type { Clock, Random } from '../../contract/clock.ts'
import type { Notification } from './notification.ts'
import { postJson } from './post-json.ts'
import type { Receiver } from './receiver.ts'

export type WebhookOptions = {
  readonly url: string
  /** The body is signed with it. */
  readonly secret: string | undefined
  readonly clock: Clock
  readonly random: Random
}

/** HMAC-SHA256 of the body, in hex, as the header `x-hearth-signature: sha256=…` has it. */
export function signatureOf(secret: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}

/** One POST a change. */
export function openWebhook({ url, secret, clock, random }: WebhookOptions): Receiver {
  return {
    name: 'webhook',
    async tell(one, signal) {
      const body = webhookBody(one)
      const headers = { 'x-hearth-id': one.id, ...(secret && { 'x-hearth-signature': signatureOf(secret, body) }) }
      await postJson({ name: 'webhook', url, body, headers, clock, random, signal })
    },
  }
}

/** Times as ISO texts, UTC. */
function webhookBody({ time_ms, started_ms, ...one }: Notification): string {
  const [time, started] = [time_ms, started_ms].map((ms) => new Date(ms).toISOString())
  return JSON.stringify({ version: 1, ...one, time, started })
}
