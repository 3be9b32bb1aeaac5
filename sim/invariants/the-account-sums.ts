import { size, subtract } from '../../contract/interval.ts'
import { accountOf } from '../../ingest/account.ts'
import { bootName, type Invariant, lostWithDisks } from '../evidence.ts'

/**
 * sent = stored + dead + dropped + pending + lost, and no promise is broken. At rest nothing is lost but what a power
 * cut took from the source's disk before it was synced, or a disk that was replaced by an old copy: the source had told that it gave the numbers out, and they are
 * a loss that the account owns up to.
 */
export const theAccountSums: Invariant = {
  name: 'the account sums',
  check(evidence) {
    const { ranges, now_ms } = evidence
    const wrong: string[] = []
    const gone = lostWithDisks(evidence)
    for (const streams of ranges.values()) {
      for (const [key, { source, stream, boots }] of streams) {
        for (const [boot, one] of boots) {
          const { sent, stored, dead, dropped, pending, lost, broken, missing } = accountOf(one, now_ms)
          const sum = stored + dead + dropped + pending + lost
          if (sum !== sent) wrong.push(`${key} ${boot}: sent ${sent}, but the parts sum to ${sum}`)
          if (broken > 0)
            wrong.push(`${key} ${boot}: ${broken} events were promised and are neither stored nor dropped`)
          const unexplained = subtract(missing, gone.get(bootName(source, stream, boot)) ?? [])
          if (size(unexplained) > 0) {
            const how = pending > 0 ? 'pending, at rest' : 'lost, and no power cut took them'
            wrong.push(`${key} ${boot}: ${JSON.stringify(unexplained)} are ${how}`)
          }
        }
      }
    }
    return wrong
  },
}
