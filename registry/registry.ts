import type { Event } from '../contract/event.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import type { Identity } from '../contract/source.ts'

/** What a token may do. `commands` sends, `observe` sees commands and states, `telemetry` sends batches, `query` asks the lake, `admin` nothing yet: no route asks for it. */
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

/** Is the hub one of those that this token is for? Every other one is to it as if it were not there. */
export function maySee({ hubs }: Pick<Principal, 'hubs'>, hub: string): boolean {
  return hubs === undefined || hubs.includes(hub)
}

/** One change of the registry, as an event of source `registry`; `seq` counts per bucket of the layout from 0. */
export type RegistryChange = { readonly bucket: number; readonly seq: number; readonly event: Event }

/**
 * Who belongs to the fleet, over time, as those see it who ask at each handshake and request: every answer comes at once,
 * from this machine. SQLite by default, Postgres for several machines. Conformance suite: registry.conformance.ts.
 */
export type Registry = {
  readonly fleet: string
  /** The registry's one boot as a source of events, and its wall time of start: minted with the database. */
  readonly boot: string
  readonly wall_ms: number
  /** The newest record of each hub; with `at_ms`, as of then. */
  hubs(at_ms?: number): readonly HubRecord[]
  hub(hub: string): HubRecord | undefined
  /** Changes of a bucket from `seq` on, at most `limit`. */
  changes(bucket: number, seq: number, limit: number): readonly RegistryChange[]
  /** Raises `unauthorized`. */
  verifyToken(token: string): Principal
  /** Is a hub's certificate still good: known serial of the current generation, hub enrolled, not revoked? */
  allows(certificate: {
    readonly source: string
    readonly generation: number
    readonly serial: string
  }): { readonly ok: true } | { readonly ok: false; readonly reason: string }
  /** Calls back after each change made through any process, within a second or so. */
  watch(callback: () => void): () => void
  /** How long ago this process last saw that it has all changes, ms; 0 where it asks the database itself. */
  stale_ms(): number
  close(): Promise<void>
}
