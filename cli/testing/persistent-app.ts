/** An app that does not give up: the same command, under the same key and day, until somebody answers it. */
import { setTimeout as after } from 'node:timers/promises'
import { expect } from 'vitest'
import { type CommandReport, commandReport } from './relays.ts'

const AGAIN_MS = 50

/** `url` is asked before each try: several relays are as good as one. Undefined when there was no answer before the signal. */
export async function sendUntilAnswered(
  url: () => string,
  {
    token,
    hub,
    deadline_ms,
    over,
  }: { readonly token: string; readonly hub: string; readonly deadline_ms: number; readonly over: AbortSignal },
): Promise<CommandReport | undefined> {
  const key = crypto.randomUUID()
  let day: string | undefined
  while (!over.aborted) {
    try {
      const response = await fetch(`${url()}/v1/hubs/${hub}/commands`, {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
          ...(day !== undefined && { 'idempotency-day': day }),
        },
        body: JSON.stringify({ device: 'kitchen-lamp', set: { powered: true }, deadline_ms }),
        signal: AbortSignal.any([over, AbortSignal.timeout(4 * deadline_ms)]),
      })
      const text = await response.text()
      if (response.status === 200) {
        const told = commandReport.parse(JSON.parse(text))
        day = told.day
        if (told.outcome !== undefined) return told
      } else expect([429, 503]).toContain(response.status)
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
    }
    await after(AGAIN_MS)
  }
  return undefined
}
