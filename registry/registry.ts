import type { Event } from '../contract/event.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import type { Identity } from '../contract/source.ts'

/** What a token may do. `commands` sends, `observe` sees commands and states, `telemetry` sends batches, `query` asks the lake, `admin` changes the registry. */
export const SCOPES = ['commands', 'observe', 'telemetry', 'query', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** An app, a person's access link, or a service, as its token proves. */
export type Principal = {
  readonly app: string
  readonly scopes: readonly Scope[]
  /** Hubs it may see and command; undefined: all of the fleet. */
  readonly hubs?: readonly string[]
  /** For tokens that send telemetry: who the source is. */
  readonly identity?: Identity
}

/** One change of the registry, as an event of source `registry`; `seq` counts per bucket of the layout from 0. */
export type RegistryChange = { readonly bucket: number; readonly seq: number; readonly event: Event }

/** Who belongs to the fleet, over time. SQLite by default. Conformance suite: registry.conformance.ts. */
export type Registry = {
  readonly fleet: string
  /** The registry's one boot as a source of events, and its wall time of start: minted with the database. */
  readonly boot: string
  readonly wall_ms: number
  /** The newest record of each hub; with `at_ms`, as of then. */
  hubs(at_ms?: number): readonly HubRecord[]
  hub(hub: string): HubRecord | undefined
  /** Writes a record valid from `valid_from_ms` and the event that tells of it, in one transaction. */
  putHub(record: HubRecord, valid_from_ms: number): void
  retireHub(hub: string, at_ms: number): void
  /** Changes of a bucket from `seq` on, at most `limit`. */
  changes(bucket: number, seq: number, limit: number): readonly RegistryChange[]
  /** Makes a token; only its SHA-256 is kept. Returns the text, `hearth_…`, which is shown once. */
  createToken(principal: Principal, options?: { readonly expires_ms?: number }): string
  /** Raises `unauthorized`. */
  verifyToken(token: string): Principal
  revokeToken(app: string): void
  /** Is a hub's certificate still good: known serial of the current generation, hub enrolled, not revoked? */
  allows(certificate: {
    readonly source: string
    readonly generation: number
    readonly serial: string
  }): { readonly ok: true } | { readonly ok: false; readonly reason: string }
  revokeCertificate(serial: string, reason: string): void
  /** Calls back after each change made through any process, within a second or so. */
  watch(callback: () => void): () => void
  close(): void
}
