import { eventKey, type Invariant } from '../evidence.ts'

/** Ack means durable, and what is durable comes to the table, as an event, or set aside as dead; but for an erased hub. */
export const nothingAcknowledgedIsMissing: Invariant = {
  name: 'nothing acknowledged is missing',
  check({ acknowledged, rows, erased }) {
    const there = new Set(rows.filter((row) => row.seq >= 0).map(eventKey))
    const missing: string[] = []
    for (const { first, count, ...who } of acknowledged) {
      if (erased.has(who.source)) continue
      for (let seq = first; seq < first + count; seq++) {
        const key = eventKey({ ...who, seq })
        if (!there.has(key)) missing.push(key)
      }
    }
    return missing.map((key) => `${key} was acknowledged and is not in the table`)
  },
}
