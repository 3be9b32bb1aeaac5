import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { assert } from '../contract/problem.ts'
import type { EventLog, LogBounds, Positioned } from './event-log.ts'
import { LOG_COMMIT_BYTES_MAX, LOG_COMMIT_RECORDS_MAX, LOG_POLL_MS, LOG_TRIM_RECORDS } from './limits.ts'
import { formatHeaders, parseRecord } from './log-form.ts'
import type { LogEntry, StoredEntry } from './sqlite-log-file.ts'
import { startThread } from './thread.ts'

/** What the thread that owns the file is asked (sqlite-log-thread.ts). */
export type LogQuestion =
  | { readonly kind: 'append'; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'read'; readonly bucket: number; readonly from: number; readonly maxBytes: number }
  | { readonly kind: 'trim'; readonly bucket: number; readonly to: number; readonly limit: number }
  | { readonly kind: 'bounds'; readonly bucket: number }
  | { readonly kind: 'mint'; readonly id: string }

type Waiting = { readonly entry: LogEntry; resolve(position: number): void; reject(error: unknown): void }

/**
 * The embedded event log: one SQLite file in WAL mode, a table a bucket, synced before an append resolves. Appends
 * that arrive while a commit runs share the next one. SQLite runs in a thread of its own, since it is synchronous
 * (docs/decisions/020). Other processes may open the same file; SQLite's locks keep them in order.
 * Raises `corrupt` for a file of a newer format, `invalid` for another number of buckets, `unavailable` otherwise.
 */
export async function openSqliteLog(
  path: string,
  options: { readonly buckets: number; readonly clock: Clock; readonly random: Random },
): Promise<EventLog> {
  const data = { path, buckets: options.buckets, id: uuid(options.random) }
  const thread = await startThread<LogQuestion>(import.meta.url, 'sqlite-log-thread', `the event log ${path}`, data)
  let id = String(thread.opened)
  let waiting: Waiting[] = []
  let committing: Promise<void> | undefined
  const listeners = new Set<(bucket: number, position: number) => void>()

  /** Commits what waits, group by group, until nothing does. */
  async function commit(): Promise<void> {
    while (waiting.length > 0) {
      const group = takeGroup()
      try {
        const positions = await thread.ask({ kind: 'append', entries: group.map(({ entry }) => entry) })
        assert(Array.isArray(positions) && positions.length === group.length, 'a position for each append')
        group.forEach((item, index) => {
          const position = Number(positions[index])
          item.resolve(position)
          for (const listener of listeners) listener(item.entry.bucket, position)
        })
      } catch (error) {
        for (const item of group) item.reject(error)
      }
    }
    committing = undefined
  }

  function takeGroup(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const { entry } of waiting) {
      bytes += entry.value.length
      if (count > 0 && (bytes > LOG_COMMIT_BYTES_MAX || count >= LOG_COMMIT_RECORDS_MAX)) break
      count++
    }
    const group = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return group
  }

  async function bounds(bucket: number): Promise<LogBounds> {
    return (await thread.ask({ kind: 'bounds', bucket })) as LogBounds
  }

  return {
    get id() {
      return id
    },
    buckets: options.buckets,
    append(bucket, record) {
      return new Promise((resolve, reject) => {
        waiting.push({ entry: { bucket, headers: formatHeaders(record), value: record.value }, resolve, reject })
        committing ??= commit()
      })
    },
    async read(bucket, from, maxBytes) {
      const entries = (await thread.ask({ kind: 'read', bucket, from, maxBytes })) as readonly StoredEntry[]
      const records: Positioned[] = []
      for (const { position, headers, value } of entries) {
        try {
          records.push({ position, record: parseRecord(headers, value) })
        } catch (error) {
          // What came before it can be read all the same.
          if (records.length === 0) throw error
          break
        }
      }
      return records
    },
    async trim(bucket, to) {
      let removed = LOG_TRIM_RECORDS
      while (removed === LOG_TRIM_RECORDS) {
        removed = Number(await thread.ask({ kind: 'trim', bucket, to, limit: LOG_TRIM_RECORDS }))
      }
    },
    bounds,
    async waitFor(bucket, from, signal) {
      while (!signal.aborted && (await bounds(bucket)).next <= from) {
        // It may have aborted while the bounds were asked for, and tells so only once.
        if (signal.aborted) return
        await new Promise<void>((resolve) => {
          const done = () => {
            cancel()
            listeners.delete(listener)
            signal.removeEventListener('abort', done)
            resolve()
          }
          const listener = (other: number, position: number) => {
            if (other === bucket && position >= from) done()
          }
          const cancel = options.clock.timer(LOG_POLL_MS, done)
          listeners.add(listener)
          signal.addEventListener('abort', done, { once: true })
        })
      }
    },
    async mintAnew() {
      const fresh = uuid(options.random)
      await thread.ask({ kind: 'mint', id: fresh })
      id = fresh
    },
    async close() {
      await committing
      await thread.close()
    },
  }
}
