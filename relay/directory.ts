/** A relay that lives, and where other relays reach it. */
export type RelayPlace = {
  /** Its name as a source of events, `relay-1`. */
  readonly relay: string
  /** `host:port` of its listener for other relays. */
  readonly address: string
}

/** Where a hub's newest session is. */
export type HubPlace = RelayPlace & { readonly epoch: string }

export type Claim = { readonly held: true } | { readonly held: false; readonly epoch: string }

/**
 * Which relay holds which hub (relay.md): shared by all relays of a fleet, and never needed for a command whose app and
 * hub are on the same one. It may be gone, emptied, or as old as its last copy: relays put back what is theirs, and the
 * hub's epoch decides between them. Each method raises `unavailable` when the directory does not answer in time.
 */
export type Directory = {
  /** This relay has the hub's session of this epoch. Lost only to a higher epoch, which is told; an equal one of another relay is replaced. */
  claim(hub: string, epoch: string): Promise<Claim>
  /** The session ended. Nothing when the place is another's. The epoch stays, as the floor of the next. */
  release(hub: string, epoch: string): Promise<void>
  /** The relay that holds the hub, if that relay lives. */
  find(hub: string): Promise<HubPlace | undefined>
  /** All relays that live, this one too. */
  relays(): Promise<readonly RelayPlace[]>
  /** `moved`: a hub was claimed elsewhere in this epoch. `anew`: the directory may have forgotten, so claim all again. */
  watch(listener: { moved(hub: string, epoch: string): void; anew(): void }): () => void
  /** This relay lives no more; its places are free. */
  close(): Promise<void>
}
