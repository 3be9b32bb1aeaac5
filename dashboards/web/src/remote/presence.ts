import { compareEpochs, parseEpoch, type SessionEpoch } from '../../../../contract/source.ts'

/** What is heard of a hub's connection, and of which of its sessions. */
export type Presence = { readonly online: boolean; readonly epoch: SessionEpoch }

/**
 * With one more event of it. The end of a session may be told after the next has begun, at another relay or behind a dead
 * line: what is said of an older session than the newest means nothing any more. Raises `invalid` for what is no epoch.
 */
export function heard(
  before: Presence | undefined,
  event: { readonly stage: 'connected' | 'disconnected'; readonly epoch: string },
): Presence {
  const epoch = parseEpoch(event.epoch)
  if (before && compareEpochs(epoch, before.epoch) < 0) return before
  return { online: event.stage === 'connected', epoch }
}
