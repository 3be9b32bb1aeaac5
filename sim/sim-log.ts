import { Problem } from '../contract/problem.ts'
import type { EventLog, LogRecord, Positioned } from '../ingest/event-log.ts'
import type { Life, World } from './world.ts'

/** A log from its making until it is made anew under its name. */
export type Topic = {
  readonly id: string
  /** By bucket. */
  readonly kept: { first: number; records: LogRecord[] }[]
  /** Everything that was ever made durable, by bucket and position − 1: trimming does not touch it. For invariants. */
  readonly everything: readonly LogRecord[][]
}

/** The event log's one file: what is in it was synced. Appends that were not are their process's, and die with it. */
export class SimLog {
  readonly topics: Topic[] = []
  readonly #buckets: number
  readonly #waiting = new Set<() => void>()

  constructor(buckets: number) {
    this.#buckets = buckets
    this.makeAnew()
  }

  get topic(): Topic {
    const topic = this.topics.at(-1)
    if (!topic) throw new Error('a log has a topic')
    return topic
  }

  /** It is deleted, and made again under the same name: another log, whose positions begin again. */
  makeAnew(): void {
    this.topics.push({
      id: `simulated-log-${this.topics.length + 1}`,
      kept: Array.from({ length: this.#buckets }, () => ({ first: 1, records: [] })),
      everything: Array.from({ length: this.#buckets }, () => []),
    })
    for (const look of this.#waiting) look()
  }

  open(world: World, life: Life): EventLog {
    const { topic } = this
    const bucketAt = (bucket: number) => {
      if (topic !== this.topic) throw new Problem('closed', `the log ${topic.id} was deleted`)
      const found = topic.kept[bucket]
      if (!found) throw new Error(`no bucket ${bucket}`)
      return found
    }
    const bounds = (bucket: number) => {
      const { first, records } = bucketAt(bucket)
      return { first, next: first + records.length }
    }
    return {
      id: topic.id,
      buckets: this.#buckets,
      append: (bucket, record) =>
        world.call(
          life,
          'log.append',
          () => {
            bucketAt(bucket).records.push(record)
            topic.everything[bucket]?.push(record)
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
      bounds: (bucket) => world.call(life, 'log.bounds', () => bounds(bucket)),
      waitFor: (bucket, from, signal) =>
        new Promise((resolve) => {
          const look = () => {
            if (!life.alive) this.#waiting.delete(look)
            else if (signal.aborted || topic !== this.topic || bounds(bucket).next > from) {
              this.#waiting.delete(look)
              world.awake(life, resolve)
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
