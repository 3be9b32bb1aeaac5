import type { EventLog, LogRecord, Positioned } from '../ingest/event-log.ts'
import type { Life, World } from './world.ts'

/** The event log's one file: what is in it was synced. Appends that were not are their process's, and die with it. */
export class SimLog {
  readonly id: string
  readonly #buckets: { first: number; records: LogRecord[] }[]
  readonly #waiting = new Set<() => void>()
  /** Everything that was ever made durable, by bucket and position − 1: trimming does not touch it. For invariants. */
  readonly everything: readonly LogRecord[][]

  constructor(id: string, buckets: number) {
    this.id = id
    this.#buckets = Array.from({ length: buckets }, () => ({ first: 1, records: [] }))
    this.everything = Array.from({ length: buckets }, () => [])
  }

  open(world: World, life: Life): EventLog {
    const bucketAt = (bucket: number) => {
      const found = this.#buckets[bucket]
      if (!found) throw new Error(`no bucket ${bucket}`)
      return found
    }
    const bounds = (bucket: number) => {
      const { first, records } = bucketAt(bucket)
      return { first, next: first + records.length }
    }
    return {
      id: this.id,
      buckets: this.#buckets.length,
      append: (bucket, record) =>
        world.call(
          life,
          'log.append',
          () => {
            bucketAt(bucket).records.push(record)
            this.everything[bucket]?.push(record)
            const position = bounds(bucket).next - 1
            world.trace(life.name, `log ${bucket} has ${position}`)
            for (const look of this.#waiting) look()
            return position
          },
          `bucket ${bucket} of ${record.source}`,
        ),
      read: (bucket, from, maxBytes) =>
        world.call(life, 'log.read', () => {
          const { first, records } = bucketAt(bucket)
          const found: Positioned[] = []
          let bytes = 0
          for (let position = Math.max(from, first); position < first + records.length; position++) {
            const record = records[position - first]
            if (!record || (found.length > 0 && bytes + record.value.length > maxBytes)) break
            bytes += record.value.length
            found.push({ position, record })
          }
          return found
        }),
      trim: (bucket, to) =>
        world.call(life, 'log.trim', () => {
          const at = bucketAt(bucket)
          const count = Math.min(Math.max(0, to - at.first), at.records.length)
          at.records.splice(0, count)
          at.first += count
        }),
      bounds: async (bucket) => bounds(bucket),
      waitFor: (bucket, from, signal) =>
        new Promise((resolve) => {
          const look = () => {
            if (!life.alive) this.#waiting.delete(look)
            else if (signal.aborted || bounds(bucket).next > from) {
              this.#waiting.delete(look)
              resolve()
            }
          }
          this.#waiting.add(look)
          signal.addEventListener('abort', look, { once: true })
          look()
        }),
      close: async () => undefined,
    }
  }
}
