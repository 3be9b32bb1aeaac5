import { remember } from '../contract/remember.ts'
import type { Registry } from '../registry/registry.ts'
import { MEMBERS_MAX } from './limits.ts'

/** Who belongs to the fleet now. Remembered until the registry says that something changed: asking it costs 45 µs a command. */
export function membersOf(registry: Pick<Registry, 'hub' | 'watch'>) {
  const known = new Map<string, boolean>()
  return {
    has(hub: string): boolean {
      const found = known.get(hub)
      if (found !== undefined) return found
      const record = registry.hub(hub)
      const isMember = record !== undefined && record.retired_ms === undefined
      remember(known, hub, isMember, MEMBERS_MAX)
      return isMember
    },
    close: registry.watch(() => known.clear()),
  }
}
