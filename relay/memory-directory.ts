import { compareEpochs, parseEpoch } from '../contract/source.ts'
import type { Directory, RelayPlace } from './directory.ts'

/** `holder` is one start of a relay. */
type Entry = { readonly epoch: string; readonly holder: RelayPlace | undefined }
type Listener = Parameters<Directory['watch']>[0]

/** What relays of one process share: the law that other directories keep too, and what can befall them. */
export type MemoryDirectory = {
  /** As the relay of this place, which lives from now on. */
  join(place: RelayPlace): Directory
  /** What is in it, to be put back later. */
  copy(): ReadonlyMap<string, Entry>
  /** It is what it once was, or empty; who watches is told nothing. */
  restore(entries: ReadonlyMap<string, Entry>): void
  /** What watchers are told after a restart. */
  tellAnew(): void
}

export function memoryDirectory(): MemoryDirectory {
  let entries = new Map<string, Entry>()
  const living = new Map<string, RelayPlace>()
  const listeners = new Map<string, Set<Listener>>()
  return {
    join(place) {
      const { relay } = place
      living.set(relay, place)
      const mine = new Set<Listener>()
      listeners.set(relay, mine)
      const isMine = () => listeners.get(relay) === mine
      return {
        async claim(hub, epoch) {
          const known = entries.get(hub)
          const order = known ? compareEpochs(parseEpoch(epoch), parseEpoch(known.epoch)) : 1
          if (known && order < 0) return { held: false, epoch: known.epoch }
          entries.set(hub, { epoch, holder: place })
          if (known?.holder && known.holder.relay !== relay)
            for (const one of listeners.get(known.holder.relay) ?? []) one.moved(hub, epoch)
          return { held: true }
        },
        async release(hub, epoch) {
          const known = entries.get(hub)
          if (known?.holder === place && known.epoch === epoch) entries.set(hub, { epoch, holder: undefined })
        },
        async find(hub) {
          const known = entries.get(hub)
          const holder = known?.holder
          return holder && living.get(holder.relay) === holder ? { ...holder, epoch: known.epoch } : undefined
        },
        relays: async () => [...living.values()],
        watch(listener) {
          mine.add(listener)
          return () => mine.delete(listener)
        },
        async close() {
          if (!isMine()) return
          living.delete(relay)
          listeners.delete(relay)
        },
      }
    },
    copy: () => new Map(entries),
    restore(old) {
      entries = new Map(old)
    },
    tellAnew() {
      for (const all of listeners.values()) for (const one of all) one.anew()
    },
  }
}
