import { accountOf } from '../../ingest/account.ts'
import type { Invariant } from '../evidence.ts'

/** sent = stored + dead + dropped + pending + lost, and no promise is broken. At rest nothing may be lost at all. */
export const theAccountSums: Invariant = {
  name: 'the account sums',
  check({ ranges, now_ms }) {
    const wrong: string[] = []
    for (const streams of ranges.values()) {
      for (const [key, stream] of streams) {
        for (const [boot, one] of stream.boots) {
          const { sent, stored, dead, dropped, pending, lost, broken } = accountOf(one, now_ms)
          const sum = stored + dead + dropped + pending + lost
          if (sum !== sent) wrong.push(`${key} ${boot}: sent ${sent}, but the parts sum to ${sum}`)
          if (broken > 0)
            wrong.push(`${key} ${boot}: ${broken} events were promised and are neither stored nor dropped`)
          if (lost > 0) wrong.push(`${key} ${boot}: ${lost} events are lost`)
        }
      }
    }
    return wrong
  },
}
