/** What apps see of hubs at this relay and at all others: events as they happen, and who is connected (relay.md, Many relays). */
import type { Clock } from '../contract/clock.ts'
import { leaveFault } from '../contract/problem.ts'
import { compareEpochs, parseEpoch } from '../contract/source.ts'
import type { Directory, RelayPlace } from './directory.ts'
import { inTime } from './in-time.ts'
import { DIRECTORY_WAIT_MS, HUBS_PAGE, PEER_LOOK_MS, RELAYS_LOOK_MS, WANTED_HUBS_MAX, WATCH_SOON_MS } from './limits.ts'
import { type LiveFeed, type LiveSource, liveFeed, type Wanted } from './live-event.ts'
import type { ConnectedHub, PeerViews } from './peers.ts'

export type FleetView = LiveSource & {
  /** `incomplete`: why some may be missing. */
  hubs(): Promise<{ readonly hubs: readonly HeldHub[]; readonly incomplete?: string }>
  close(): void
}

/** … and by which relay it is held. */
export type HeldHub = ConnectedHub & { readonly relay: string }

type Held = ReadonlyMap<string, { readonly epoch: string; readonly since_ms: number }>

/** The hubs that are connected here, by name, after `after`: at most HUBS_PAGE of them. */
export function hubsAfter(held: Held, after: string): readonly ConnectedHub[] {
  const names = [...held.keys()].filter((hub) => hub > after).sort((a, b) => (a < b ? -1 : 1))
  return names.slice(0, HUBS_PAGE).flatMap((hub) => {
    const session = held.get(hub)
    return session ? [{ hub, ...session }] : []
  })
}

/** Of this relay alone where `others` is absent. */
export function fleetView(parts: {
  /** This relay's name, as the directory has it. */
  readonly relay: string
  readonly feed: LiveFeed
  readonly held: () => Held
  readonly clock: Clock
  readonly others?: { readonly directory: Pick<Directory, 'relays'>; readonly views: PeerViews } | undefined
}): FleetView {
  const { relay, feed, held, clock, others } = parts
  const here = (): HeldHub[] => [...held()].map(([hub, session]) => ({ hub, relay, ...session }))
  if (!others) return { observe: feed.observe, hubs: async () => ({ hubs: here() }), close: () => undefined }
  const { directory, views } = others
  /** Events of the others, to whoever observes here. */
  const remote = liveFeed()
  const watching = new Map<string, () => void>()
  let told: Wanted = new Set()
  let cancel: (() => void) | undefined
  let looking = false
  let soon = false
  let closed = false

  const living = async (): Promise<readonly RelayPlace[]> => {
    const all = await inTime(clock, { ms: DIRECTORY_WAIT_MS, what: 'the directory' }, directory.relays())
    return all.filter((one) => one.relay !== relay)
  }

  /** Hears what is wanted from those that live; from those as before where the directory does not answer. */
  async function look(): Promise<void> {
    looking = true
    const known = await living().then(
      (places) => places.map(({ address }) => address),
      (error: unknown) => {
        leaveFault(error)
        return [...watching.keys()]
      },
    )
    looking = false
    if (closed) return
    const wanted = bounded(remote.wanted())
    const isNew = wanted !== told
    const places = remote.watched ? new Set(known) : new Set<string>()
    for (const [address, stop] of watching) {
      if (places.has(address) && !isNew) continue
      stop()
      watching.delete(address)
    }
    told = wanted
    for (const address of places)
      if (!watching.has(address)) watching.set(address, views.watch(address, wanted, remote.publish))
    if (remote.watched && !soon) lookIn(RELAYS_LOOK_MS)
  }

  function lookIn(ms: number): void {
    cancel?.()
    cancel = clock.timer(ms, () => {
      soon = false
      void look()
    })
  }

  /** Many apps may come at once. */
  function lookSoon(): void {
    if (looking || soon || closed) return
    soon = true
    lookIn(WATCH_SOON_MS)
  }

  /** The same object where it is the same as told. */
  function bounded(wanted: Wanted): Wanted {
    // More than is wanted costs the way, and is filtered here.
    const next = wanted !== 'all' && wanted.size > WANTED_HUBS_MAX ? 'all' : wanted
    if (next === 'all' || told === 'all') return next
    return next.size === told.size && [...next].every((hub) => told !== 'all' && told.has(hub)) ? told : next
  }

  async function hubsAt({ address }: RelayPlace): Promise<readonly ConnectedHub[]> {
    const all: ConnectedHub[] = []
    for (let after = ''; ; ) {
      const page = await inTime(clock, { ms: PEER_LOOK_MS, what: address }, views.hubs(address, after))
      all.push(...page)
      after = page.at(-1)?.hub ?? ''
      if (page.length < HUBS_PAGE) return all
    }
  }

  return {
    observe(observer, wanted) {
      const stops = [feed.observe(observer, wanted), remote.observe(observer, wanted)]
      lookSoon()
      return () => {
        for (const stop of stops) stop()
        lookSoon()
      }
    },
    async hubs() {
      const newest = new Map(here().map((one) => [one.hub, one]))
      const answer = (incomplete?: string) => ({
        hubs: [...newest.values()],
        ...(incomplete !== undefined && { incomplete }),
      })
      let places: readonly RelayPlace[]
      try {
        places = await living()
      } catch (error) {
        leaveFault(error)
        return answer(`hubs of ${relay} alone: the directory of the others does not answer`)
      }
      const silent: string[] = []
      const hear = async (place: RelayPlace) => {
        try {
          for (const one of await hubsAt(place)) {
            const other = newest.get(one.hub)
            // A hub that moves is at both for a moment.
            if (!other || compareEpochs(parseEpoch(one.epoch), parseEpoch(other.epoch)) > 0)
              newest.set(one.hub, { ...one, relay: place.relay })
          }
        } catch (error) {
          leaveFault(error)
          silent.push(place.relay)
        }
      }
      await Promise.all(places.map(hear))
      return answer(silent.length > 0 ? `without hubs of ${silent.sort().join(', ')}: no answer` : undefined)
    },
    close() {
      closed = true
      cancel?.()
      for (const stop of watching.values()) stop()
    },
  }
}
