import type { Clock } from '../contract/clock.ts'
import type { EventLog } from './event-log.ts'

/** What became of one call of an event log. */
export type LogCall =
  | { readonly kind: 'append'; readonly durable: boolean; readonly ms: number }
  | { readonly kind: 'read'; readonly records: number; readonly bytes: number }

/** `log` as it is, and `note` told of each append and read once it is over. */
export function meteredLog(log: EventLog, clock: Clock, note: (call: LogCall) => void): EventLog {
  return {
    ...log,
    // It can become another.
    get id() {
      return log.id
    },
    async append(bucket, record) {
      const begun_ms = clock.monotonic()
      let durable = false
      try {
        const position = await log.append(bucket, record)
        durable = true
        return position
      } finally {
        note({ kind: 'append', durable, ms: clock.monotonic() - begun_ms })
      }
    },
    async read(bucket, from, maxBytes) {
      const records = await log.read(bucket, from, maxBytes)
      note({
        ...{ kind: 'read', records: records.length },
        bytes: records.reduce((sum, { record }) => sum + record.value.length, 0),
      })
      return records
    },
  }
}
