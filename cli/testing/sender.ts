import { setTimeout as after } from 'node:timers/promises'
import type { CommandReport, Outcome } from '../../contract/command.ts'

const EACH_MS = 100
const TRY_MAX_MS = 10_000
const AGAIN_MS = 250
const TRIES_MAX = 1_000

/** What an app was told of one command in the end, and after how many tries. */
export type Told = { readonly command: string; readonly outcome: Outcome | undefined; readonly tries: number }

/** An app that sends ten commands a second, each again by its key until it is told an outcome. */
export type Sender = {
  /** Resolves when it was told of all; rejects with a refusal that another try would meet as well. */
  end(): Promise<readonly Told[]>
}

export function startSender(
  url: string,
  { token, hub, devices }: { readonly token: string; readonly hub: string; readonly devices: readonly string[] },
): Sender {
  const over = new AbortController()

  async function send(count: number): Promise<Told> {
    const device = devices[count % devices.length]
    const body = JSON.stringify({ device, set: { powered: count % 2 === 0 } })
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const request = { method: 'POST', body, headers: { ...headers, 'idempotency-key': `tap-${count}` } }
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      const signal = AbortSignal.timeout(TRY_MAX_MS)
      const response = await fetch(`${url}/v1/hubs/${hub}/commands`, { ...request, signal }).catch(() => undefined)
      const text = await response?.text().catch(() => undefined)
      if (response?.ok && text !== undefined) {
        const { command, outcome } = JSON.parse(text) as CommandReport
        return { command, outcome, tries }
      }
      if (response && response.status < 500 && response.status !== 429) throw new Error(`refused: ${text}`)
      await after(AGAIN_MS)
    }
    throw new Error(`not answered in ${TRIES_MAX} tries`)
  }

  async function sendAll(): Promise<readonly Told[]> {
    const sent: Promise<Told>[] = []
    while (!over.signal.aborted) {
      const told = send(sent.length)
      told.catch(() => over.abort())
      sent.push(told)
      await after(EACH_MS)
    }
    return await Promise.all(sent)
  }

  const all = sendAll()
  // It is told by `end`.
  all.catch(() => undefined)
  return {
    end() {
      over.abort()
      return all
    },
  }
}
