import type { CommandReport } from '../contract/command.ts'
import type { IssueRequest } from './issue-request.ts'
import type { LiveEvent, Wanted } from './live-event.ts'

/**
 * A command on its one hop: key and day are said, so that it has the same id wherever it is issued; `day_assumed` when
 * its app named no day. `deadline_ms` is what is left, a whole number: as it leaves, and as the service gets it what is
 * left on arrival. A link counts its way as a hub does, for a command may lie for minutes in a socket whose other end is
 * gone; one that comes after its time is given to nobody.
 */
export type ForwardedCommand = IssueRequest & { readonly key: string; readonly day: string }

/** What the holder says: how the command stands, or that it has no session of that hub and issued nothing. */
export type ForwardAnswer = { readonly away: false; readonly report: CommandReport } | { readonly away: true }

/** What a relay does for others. Raises what `CommandCore.issue` raises. */
export type PeerService = {
  /** `settled`: answered once there is an outcome; `accepted`: as soon as it is issued. */
  issue(command: ForwardedCommand, answer: 'settled' | 'accepted'): Promise<ForwardAnswer>
  find(id: string): Promise<{ readonly app: string; readonly report: CommandReport } | undefined>
}

/** The other relays. Raises `unavailable`: outcome `none` where nothing left this relay, else `unknown`. */
export type Peers = {
  /** A relay by `RelayPlace.address`. */
  at(address: string): PeerService
}

/** A hub's control connection at the relay that tells of it. */
export type ConnectedHub = { readonly hub: string; readonly epoch: string; readonly since_ms: number }

/** What a relay shows others of its hubs. */
export type PeerView = {
  /** Events as they happen, until what is returned is called. */
  watch(wanted: Wanted, listener: (event: LiveEvent) => void): () => void
  /** Those after `after` by name, at most HUBS_PAGE. */
  hubs(after: string): Promise<readonly ConnectedHub[]>
}

/** The other relays' views, by `RelayPlace.address`. */
export type PeerViews = {
  /** Goes on over connections that end: what happens between two of them is not heard. One watch a relay. */
  watch(address: string, wanted: Wanted, listener: (event: LiveEvent) => void): () => void
  /** Raises `unavailable`. */
  hubs(address: string, after: string): Promise<readonly ConnectedHub[]>
}
