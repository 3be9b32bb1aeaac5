/** Which hubs of the fleet have no connection to the relay of this installation. */
import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import { askJson } from './ask-json.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { hasRegistry, openRegistry } from './fleet.ts'
import { localToken, runningFact } from './running.ts'

const NAMED_MAX = 5

const answer = z.object({ hubs: z.array(z.object({ hub: z.string() })), incomplete: z.string().optional() })

/** Raises a Problem that says why the relay does not tell. Hubs in maintenance are not looked for. */
export async function absentHubs(context: Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>): Promise<Finding> {
  const { clock } = context
  const url = `${runningFact(context, 'relay', 'app_url')}/v1/hubs`
  const asked = await askJson(clock, url, { authorization: `Bearer ${localToken(context)}` })
  const told = answer.safeParse(asked)
  if (!told.success) throw new Problem('invalid', `the relay answered ${JSON.stringify(asked)} at ${url}`)
  const connected = new Set(told.data.hubs.map(({ hub }) => hub))
  const now_ms = clock.now()
  if (!hasRegistry(context)) return { check: 'hubs', state: 'good', found: 'none' }
  const registry = await openRegistry(context)
  try {
    const expected = registry
      .hubs(now_ms)
      .filter((hub) => hub.retired_ms === undefined || hub.retired_ms > now_ms)
      .filter((hub) => !hub.maintenance.some(({ from_ms, to_ms }) => from_ms <= now_ms && now_ms < to_ms))
      .map(({ hub }) => hub)
    const absent = expected.filter((hub) => !connected.has(hub))
    if (absent.length === 0) return { check: 'hubs', state: 'good', found: `${expected.length} connected` }
    const named = absent
      .slice(0, NAMED_MAX)
      .map((hub) => (registry.certificates(hub).length === 0 ? `${hub} (never enrolled)` : hub))
    if (absent.length > NAMED_MAX) named.push('…')
    return {
      check: 'hubs',
      state: 'warning',
      found: `${absent.length} of ${expected.length} not connected: ${named.join(', ')}${told.data.incomplete === undefined ? '' : ` (${told.data.incomplete})`}`,
      advice:
        'a hub enrols with the code of: hearth registry code <hub>; one that did needs power and a way to the relay',
    }
  } finally {
    await registry.close()
  }
}
