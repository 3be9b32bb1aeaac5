/** Apps that do not give up: the same command, under the same key and day, until somebody answers it. */
import { appendFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { expect } from 'vitest'
import { type CommandReport, commandReport } from './relays.ts'

const AGAIN_MS = 50
const THINK_MS = 20
/** Beside `over`, whatever befell the system has healed within this. */
const HEAL_MS = 120_000

/**
 * So many of them, each with one command after the other to any of the hubs until `over`. Writes each answer to the file
 * `answers` and counts it; rejects when a command had none though all was well again.
 */
export async function runApps(run: {
  readonly apps: number
  readonly over: AbortSignal
  readonly url: () => string
  readonly token: string
  /** hub-01, hub-02 … */
  readonly hubs: number
  readonly deadline_ms: number
  readonly random: { float(): number }
  readonly answers: string
  readonly counts: Record<string, number>
}): Promise<void> {
  const { over, url, token, deadline_ms, counts } = run
  const app = async () => {
    while (!over.aborted) {
      const hub = `hub-0${1 + Math.floor(run.random.float() * run.hubs)}`
      const told = await sendUntilAnswered(url, { token, hub, deadline_ms, over: AbortSignal.timeout(HEAL_MS) })
      if (told?.outcome === undefined) throw new Error('a command had no answer though all was well again')
      counts[told.outcome] = (counts[told.outcome] ?? 0) + 1
      appendFileSync(run.answers, `${JSON.stringify({ command: told.command, outcome: told.outcome })}\n`)
      await after(THINK_MS)
    }
  }
  await Promise.all(Array.from({ length: run.apps }, app))
}

/** `url` is asked before each try: several relays are as good as one. Undefined when there was no answer before the signal. */
async function sendUntilAnswered(
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
