import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, Problem } from '../contract/problem.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { openRegistry } from './fleet.ts'

const STALE_WARNING_MS = 60_000

/** The registry, and of one in Postgres how old the copy is from which processes answer. */
export async function registryFinding(
  context: Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>,
): Promise<Finding> {
  const check = 'registry'
  const isPostgres = context.config.registry.url !== ''
  try {
    const path = join(context.home, 'registry.db')
    if (!isPostgres && !existsSync(path))
      throw new Problem('missing', `${path} is gone, though there is a lake: put it back from a copy`)
    const registry = await openRegistry(context)
    try {
      const found = `${registry.hubs(context.clock.now()).length} hubs, ${registry.tokens().length} tokens`
      const stale_ms = registry.stale_ms()
      if (stale_ms < STALE_WARNING_MS)
        return { check, state: 'good', found: isPostgres ? `${found}, in Postgres` : found }
      return {
        ...{ check, state: 'warning', found: `${found}, of ${Math.round(stale_ms / 60_000)} minutes ago` },
        advice: 'Postgres is not reached: until it is, processes hear of no change and no revocation (registry.url)',
      }
    } finally {
      await registry.close()
    }
  } catch (error) {
    const advice = 'the message says what was expected; nothing was changed'
    return { check, state: 'bad', found: messageOf(error), advice }
  }
}
