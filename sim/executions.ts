import type { Tap } from './app.ts'
import type { Execution } from './evidence.ts'
import type { HubNode } from './hub-node.ts'
import type { Work } from './work.ts'

/** What devices did, by command, with what is known of their hubs' disks. */
export function executionsOf(parts: {
  readonly taps: ReadonlyMap<string, Tap>
  readonly hubs: readonly HubNode[]
  readonly work: Work
  readonly forgotten: (tap: Tap) => boolean
  readonly repeated: (id: string) => boolean
}): ReadonlyMap<string, Execution> {
  const { taps, hubs, work, forgotten, repeated } = parts
  return new Map(
    [...taps].flatMap(([id, tap]): [string, Execution][] => {
      const done = work.done.get(tap.level)
      const disk = hubs.find(({ hub }) => hub === tap.hub)?.disk
      const told = disk?.stagesOf(id) ?? []
      const refused = disk?.refused.has(id) ?? false
      const rolled_back = (done?.asked_ms ?? []).some((at_ms) =>
        disk?.restores.some(({ copied_ms, lost_ms }) => copied_ms <= at_ms && at_ms <= lost_ms),
      )
      if (!done || done.times === 0) return []
      return [[id, { ...done, told, refused, rolled_back, forgotten: forgotten(tap), repeated: repeated(id) }]]
    }),
  )
}
