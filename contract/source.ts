import { Problem } from './problem.ts'

/** What a hub, device or service may be called: 1–64 of a–z, 0–9, `.`, `_`, `-`, beginning with a letter or digit. */
export const ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/

export function isId(text: string): boolean {
  return ID_PATTERN.test(text)
}

/** A hub speaks about itself; a service (relay, gateway, registry) may speak about any hub. */
export type Role = 'hub' | 'service'

/** Who is at the other end, as the connection proved it (certificate or token). Payloads never say who they are. */
export type Identity = {
  readonly source: string
  readonly role: Role
  /** Generation of the enrolment; rises when a hub is enrolled anew. */
  readonly generation: number
}

/**
 * One run of a source: `<generation>-<counter>-<8 hex digits>`. The counter is kept on disk and rises at each start;
 * the random digits keep a restored disk from repeating a boot.
 */
export type Boot = { readonly generation: number; readonly counter: number; readonly random: string }

const BOOT_PATTERN = /^(\d{1,9})-(\d{1,9})-([0-9a-f]{8})$/

export function formatBoot(boot: Boot): string {
  return `${boot.generation}-${boot.counter}-${boot.random}`
}

/** Raises `invalid` for anything that is not a boot. */
export function parseBoot(text: string): Boot {
  const match = BOOT_PATTERN.exec(text)
  if (!match) {
    throw new Problem(
      'invalid',
      `a boot is <generation>-<counter>-<8 hex digits>, as 1-42-9f3ac2d1; found ${JSON.stringify(text)}`,
    )
  }
  return { generation: Number(match[1]), counter: Number(match[2]), random: match[3] ?? '' }
}

/** Order of boots of one source: by generation, then counter; the random part breaks no tie that matters. */
export function compareBoots(a: Boot, b: Boot): number {
  return (
    a.generation - b.generation || a.counter - b.counter || (a.random < b.random ? -1 : a.random > b.random ? 1 : 0)
  )
}

/** The hub's own streams. */
export const HUB_STREAMS = ['control', 'readings'] as const
export type HubStream = (typeof HUB_STREAMS)[number]

/**
 * One connection of a hub: (generation, boot counter, connect count), written `1.42.7`. Persistent on the hub, so that
 * no emptied directory can restart it. Carried as the MQTT user name, which 3.1.1 and 5 share.
 */
export type SessionEpoch = { readonly generation: number; readonly counter: number; readonly connect: number }

export function formatEpoch(epoch: SessionEpoch): string {
  return `${epoch.generation}.${epoch.counter}.${epoch.connect}`
}

export const EPOCH_PATTERN = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/

/** Raises `invalid` for anything that is not a session epoch. */
export function parseEpoch(text: string): SessionEpoch {
  const match = EPOCH_PATTERN.exec(text)
  if (!match) {
    throw new Problem(
      'invalid',
      `a session epoch is <generation>.<boot counter>.<connect count>, as 1.42.7; found ${JSON.stringify(text)}`,
    )
  }
  return { generation: Number(match[1]), counter: Number(match[2]), connect: Number(match[3]) }
}

export function compareEpochs(a: SessionEpoch, b: SessionEpoch): number {
  return a.generation - b.generation || a.counter - b.counter || a.connect - b.connect
}
