/**
 * A small durable ordered store of keys and values, for what must survive on one machine: outboxes, the relay's spool,
 * the hub's command journal. Implementations: sqlite-disk.ts (the real one) and memory-disk.ts (tests and simulation,
 * where a crash loses what was not synced). Conformance suite: disk.conformance.ts.
 */
export type DiskChange = { readonly put: string; readonly value: Uint8Array } | { readonly delete: string }

export type Disk = {
  get(key: string): Uint8Array | undefined
  /** Entries with from ≤ key < to, ascending by UTF-8 bytes. */
  scan(from: string, to: string, limit?: number): readonly { readonly key: string; readonly value: Uint8Array }[]
  /** All changes or none. When it returns they survive the end of the process; after `sync` a power cut too. */
  write(changes: readonly DiskChange[]): void
  /** Everything written before the call survives a power cut. Concurrent calls share one fsync. */
  sync(): Promise<void>
  close(): void
}
