import type { System } from './system.ts'

/** Sends a command and says how it ended, or the status of its refusal. */
export async function commandOutcome({ ports }: System, bearer: string, hub: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${ports.app}/v1/hubs/${hub}/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ device: 'living-lamp', set: { powered: true }, deadline_ms: 5_000 }),
  })
  const body: unknown = await response.json()
  if (!response.ok) return response.status
  return typeof body === 'object' && body !== null && 'outcome' in body ? body.outcome : body
}
